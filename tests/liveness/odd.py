"""Odd records, each with what must become of it. What a broker takes, a sender can send.

`dead` is True or False where the contract decides, None where either fate is right. Every one of them has a fate.
"""

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from tests.liveness.wire import Raw, batch

Event = dict[str, Any]
MIB = 1 << 20
BOMB_BYTES = 200 * MIB
SNAPPY_BYTES = 16 * MIB
"""Snappy makes at most a twentieth of it: this is what the broker's largest batch holds."""
ALMOST = 1_000_000
"""The largest value of a record that the broker takes (1 MiB with everything around it)."""


class Odd(NamedTuple):
    """Builds the records of one batch from an ordinary event of the topic."""

    records: Callable[[Event], Sequence[Raw]]
    dead: bool | None = None
    codec: str = "none"
    many: int = 1
    is_fixed: bool = False
    """Whether it is the same whatever the event: to compress a bomb takes seconds."""

    def batch(self, event: Event) -> bytes:
        """The batch, ready to be sent."""
        return _fixed(self) if self.is_fixed else batch(self.records(event), self.codec)


@cache
def _fixed(odd: Odd) -> bytes:
    return batch(odd.records({}), odd.codec)


def plain(event: Event, **more: Any) -> Raw:
    """The event as an ordinary sender sends it; `more` changes what is around the value."""
    key = str(event.get("case_no") or event["event_id"]).encode()
    return Raw(key, json.dumps(event).encode())._replace(**more)


def _with(dead: bool | None = None, **fields: Any) -> Odd:
    return Odd(lambda event: [plain(event | fields)], dead)


def _around(dead: bool | None = None, **more: Any) -> Odd:
    return Odd(lambda event: [plain(event, **more)], dead)


def _text(write: Callable[[str], str], dead: bool | None = None) -> Odd:
    """The event's JSON, written otherwise."""
    return Odd(lambda event: [plain(event, value=write(json.dumps(event)).encode())], dead)


def _member(text: str) -> Callable[[str], str]:
    """One field more, literally so, at the end of the object."""
    return lambda body: f"{body[:-1]}, {text}}}"


def _nested(depth: int) -> Callable[[str], str]:
    return _member(f'"extra": {"[" * depth}{"]" * depth}')


def _blank(size: int) -> bytes:
    return b'{"comment": "' + b"a" * size + b'"}'


def bomb(size: int, codec: str) -> Odd:
    """A record of `size` bytes in a batch of a few hundred thousand."""
    return Odd(lambda _: [Raw(b"bomb", _blank(size))], dead=True, codec=codec, is_fixed=True)


def _amid_ordinary(event: Event) -> list[Raw]:
    before, after = (event | {"event_id": f"{event['event_id']}-{n}", "service_no": n} for n in (2, 3))
    return [plain(before), plain(event, value=_blank(BOMB_BYTES)), plain(after)]


def _out_of_place(event: Event) -> list[Raw]:
    """Three records, of which the second claims an offset far ahead, and the third that of the first."""
    return [plain(event, place=place) for place in (0, 1 << 30, 0)]


ODD: dict[str, Odd] = {
    "header-name-not-utf8": _around(dead=True, headers=[(b"\xff\xfe\xfa", b"1")]),
    "header-value-not-utf8": _around(headers=[(b"trace", b"\xff\xfe\xfa")]),
    "ce-id-not-utf8": _around(dead=True, headers=[(b"ce_id", b"\xff\xfe\xfa")]),
    "header-name-empty": _around(headers=[(b"", b"")]),
    "header-without-value": _around(headers=[(b"ce_id", None), (b"hcp_received_at", None)]),
    "headers-5000": _around(headers=[(b"h%d" % n, b"v") for n in range(5_000)]),
    "header-400k": _around(headers=[(b"big", b"v" * 400 * 1024)]),
    "header-name-30k": _around(headers=[(b"n" * 30_000, b"v")]),
    "header-resent-at-odd": _around(headers=[(b"hcp_received_at", b"0001-01-01T00:00:00")]),
    "key-600k": _around(key=b"k" * 600 * 1024),
    "key-not-utf8": _around(key=b"\xff\xfe\xfa"),
    "key-null": _around(key=None),
    "value-1m": Odd(lambda event: [plain(event, value=_blank(ALMOST))], dead=True),
    "value-not-utf8": _around(dead=True, value=b'{"event_id": "\xff\xfe"}'),
    "value-nul-bytes": _around(dead=True, value=bytes(64)),
    "received-at-unset": _with(dead=True, received_at="0001-01-01T00:00:00"),
    "received-at-year-1": _with(dead=False, received_at="0001-01-01T00:00:00+00:00"),
    "received-at-year-1-east": _with(dead=False, received_at="0001-01-01T00:00:00+23:59"),
    "received-at-year-9999": _with(received_at="9999-12-31T23:59:59Z"),
    "received-at-year-9999-west": _with(received_at="9999-12-31T23:59:59-23:59"),
    "received-at-number": _with(received_at=1e308),
    "nested-2000": _text(_nested(2_000)),
    "nested-30000": _text(_nested(30_000)),
    "nested-100000": _text(_nested(100_000), dead=True),
    "gzip-200m": bomb(BOMB_BYTES, "gzip"),
    "lz4-200m": bomb(BOMB_BYTES, "lz4"),
    "snappy-16m": bomb(SNAPPY_BYTES, "snappy"),
    "zstd-200m": bomb(BOMB_BYTES, "zstd"),
    "bomb-amid-ordinary": Odd(_amid_ordinary, codec="gzip", many=3),
    "offsets-not-their-own": Odd(_out_of_place, many=3),
    "nan": _text(_member('"extra": NaN'), dead=True),
    "key-twice": _text(_member('"service_no": 5')),
    "lone-surrogate": _text(_member(r'"source": "\ud800"')),
    "number-of-400-digits": _text(_member(f'"extra": {"9" * 400}')),
    "service-no-of-400-digits": _text(_member(f'"service_no": {"9" * 400}'), dead=True),
    "exponent-of-400-digits": _text(_member(f'"service_no": 1e{"9" * 400}'), dead=True),
    "byte-order-mark": _text(lambda body: f"\ufeff{body}"),
}
"""By name: sent on both topics."""

FIELD: dict[str, tuple[str, bool]] = {
    "unset-date": (
        (
            '{"event_id": "field-0002", "case_no": "FIELD-1", "satisfaction": 1, "channel": "terminal",'
            ' "submitted_at": "%s", "received_at": "0001-01-01T00:00:00"}'
        ),
        True,
    ),
    "reviewer-twice": (
        (
            '{"event_id": "field-0003", "case_no": "FIELD-1", "satisfaction": 1, "channel": "terminal",'
            ' "submitted_at": "%s", "reviewer": {"phone": "13800130001"}, "reviewer": null}'
        ),
        False,
    ),
    "null-inside-reviewer": (
        (
            '{"event_id": "field-0004", "case_no": "FIELD-1", "satisfaction": 1, "channel": "terminal",'
            ' "submitted_at": "%s", "reviewer": {"name": null, "phone": "13800135678", "id_number": null}}'
        ),
        False,
    ),
    "whole-valued-number": (
        (
            '{"event_id": "field-0005", "case_no": "FIELD-1", "satisfaction": 5.0, "channel": "terminal",'
            ' "submitted_at": "%s"}'
        ),
        False,
    ),
}
"""Reviews as real senders wrote them (`%s`: when), and whether each is a dead letter. On the case topic all are."""
TIMES = {
    "timestamp-none": -1,
    "timestamp-1970": 0,
    "timestamp-before-1970": -86_400_000,
    "timestamp-year-9999": 253_402_300_799_000,
    "timestamp-largest": (1 << 63) - 1,
}
"""Unix milliseconds for a topic that keeps its senders' times."""
