"""Record batches: what is in them comes out, fast or slowly; whatever is in them, nothing raises and no offset is passed over."""

import gzip
import struct
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import cramjam
import lz4.frame
import pytest
import zstandard
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger.portion import MOST_HEADERS, PREFIX, Record, Unreadable
from pipeline.worker import record_batches
from pipeline.worker.decompression import SNAPPY_RATIO, Undecodable, chunks, unpacked
from pipeline.worker.record_batches import CODEC, HEADER, records
from schemas.events import Reason

Headers = list[tuple[str, bytes | None]]
Plain = tuple[bytes | None, bytes | None, Headers]
NAMES = {0: "none", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
BASE = 40
PACK: dict[int, Callable[[bytes], bytes]] = {
    1: gzip.compress,
    2: lambda data: bytes(cramjam.snappy.compress_raw(data)),
    3: lz4.frame.compress,
    4: zstandard.compress,
}
codecs = st.sampled_from(sorted(NAMES))
fields = st.none() | st.binary(max_size=60)
plain_records = st.tuples(fields, fields, st.lists(st.tuples(st.text(max_size=6), fields), max_size=3))


def batch(found: Sequence[Plain], codec: int = 0) -> bytearray:
    """A batch as a broker sends it, from the offset 40 on."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 30)
    for n, (key, value, headers) in enumerate(found):
        assert builder.append(n, 1_000 + n, key, value, headers)
    made = bytearray(builder.build())
    struct.pack_into(">q", made, 0, BASE)
    return made


def repacked(made: bytearray, codec: int, payload: bytes) -> bytes:
    """The same header around other bytes."""
    head = bytearray(made[: HEADER.size])
    struct.pack_into(">h", head, 21, codec)
    return bytes(head) + payload


def shown(record: Any) -> tuple[Any, ...]:
    return record.offset, record.timestamp, record.key, record.value, list(record.headers)


@given(st.lists(plain_records, min_size=1, max_size=12), codecs)
def test_what_is_in_a_batch_comes_out_fast_and_slowly(found: list[Plain], codec: int) -> None:
    made = bytes(batch(found, codec))
    want = [(BASE + n, 1_000 + n, k, v, h) for n, (k, v, h) in enumerate(found)]
    assert [shown(one) for one in records(made)] == want
    slow = record_batches._slowly(
        record_batches.Header(*HEADER.unpack_from(made)), made, chunks(made[22] & CODEC, made[HEADER.size :])
    )
    assert [shown(one) for one in slow] == want


@given(st.lists(plain_records, min_size=1, max_size=6), codecs, st.data())
def test_damage_raises_nothing_and_each_offset_is_told_once(
    found: list[Plain], codec: int, data: Any
) -> None:
    made = batch(found, codec)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(HEADER.size, len(made) - 1))
        made[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del made[data.draw(st.integers(HEADER.size, len(made))) :]
    got = list(records(bytes(made)))
    told = [offset for one in got for offset in range(one.offset, one.offset + _count(one))]
    assert told == list(range(BASE, BASE + len(found)))


def _count(record: Record) -> int:
    return record.value.records if isinstance(record.value, Unreadable) else 1


@pytest.mark.parametrize("claimed", [[0, 0, 0], [0, 2, 2], [0, 9, 2], [0, 1, 0], [-1, 1, 2], [0, 1, 2**40]])
@pytest.mark.parametrize("codec", NAMES)
def test_a_record_with_an_offset_that_is_not_its_own_hides_no_other(claimed: list[int], codec: int) -> None:
    """As no client sends it and every broker takes it."""
    payload = b"".join(_with_delta(delta, b"%d" % n) for n, delta in enumerate(claimed))
    made = repacked(batch([(None, b"x", [])] * 3), 0, payload)
    made = made if not codec else repacked(bytearray(made), codec, PACK[codec](payload))
    got = list(records(made))
    assert [one.offset for one in got] == [BASE, BASE + 1, BASE + 2]
    for n, (one, delta) in enumerate(zip(got, claimed, strict=True)):
        if delta == n:
            assert one.value == b"%d" % n
        else:
            assert isinstance(one.value, Unreadable)
            assert one.value.parts["value"].data == b"%d" % n
            assert str(BASE + delta) in one.value.message


def _with_delta(delta: int, value: bytes) -> bytes:
    """A record that claims this place in its batch."""
    body = b"\0\0" + _varint(delta) + _varint(-1) + _varint(len(value)) + value + _varint(0)
    return _varint(len(body)) + body


def _varint(number: int) -> bytes:
    left, out = (number << 1) ^ (number >> 63), bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])


def test_a_batch_that_says_it_holds_more_than_it_has_offsets_is_one_letter() -> None:
    made = batch([(None, b"x", [])] * 3)
    struct.pack_into(">i", made, 57, 4)
    (only,) = records(bytes(made))
    assert (only.offset, _count(only)) == (BASE, 3)


def test_a_header_name_that_is_no_utf8_hides_no_other_record() -> None:
    made = batch([(b"k", b"1", []), (b"key", b"value", [("odd-name", b"x")]), (b"k", b"3", [])])
    at = made.find(b"odd-name")
    made[at : at + 2] = b"\xff\xfe"
    one, odd, three = records(bytes(made))
    assert (one.value, three.value, odd.offset) == (b"1", b"3", BASE + 1)
    assert isinstance(odd.value, Unreadable)
    assert (odd.value.reason, odd.value.records, odd.value.is_cut) == (Reason.UNREADABLE, 1, False)
    assert "UTF-8" in odd.value.message
    assert {name: part.data for name, part in odd.value.parts.items()} == {
        "key": b"key",
        "value": b"value",
        "headers": b"\x02\x10\xff\xfed-name\x02x",
    }


def test_a_record_with_many_headers_is_told_and_not_made_of_objects() -> None:
    many: Headers = [("", None)] * 100_000
    for codec in NAMES:
        first, odd, last = records(
            bytes(batch([(None, b"1", []), (b"k", b"v", many), (None, b"3", [])], codec))
        )
        assert (first.value, last.value) == (b"1", b"3")
        assert isinstance(odd.value, Unreadable)
        assert odd.value.reason == Reason.TOO_LARGE
        assert f"at most {MOST_HEADERS}" in odd.value.message
        assert odd.value.parts["value"].data == b"v"


@pytest.mark.parametrize("codec", [1, 3, 4])
def test_of_a_bomb_a_beginning_is_kept_and_its_neighbours_are_read(codec: int) -> None:
    size = 64 * 2**20
    made = batch([(None, b"before", []), (b"k", b"\0" * size, [("a", b"b")]), (None, b"after", [])], codec)
    assert len(made) < 2**20
    before, bomb, after = records(bytes(made))
    assert (before.value, after.value) == (b"before", b"after")
    assert isinstance(bomb.value, Unreadable)
    value = bomb.value.parts["value"]
    assert (bomb.value.reason, value.length, value.data) == (Reason.TOO_LARGE, size, b"\0" * PREFIX)
    assert (bomb.offset, bomb.value.is_cut, len(value.sha256)) == (BASE + 1, True, 64)
    assert bomb.value.parts["key"].data == b"k"


def test_what_unpacks_without_end_is_one_letter_with_its_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_batches, "MOST_UNPACKED", 8 * 2**20)
    made = batch([(None, b"before", []), (b"k", b"\0" * 9 * 2**20, []), (None, b"after", [])], 4)
    before, rest = records(bytes(made))
    assert before.value == b"before"
    assert isinstance(rest.value, Unreadable)
    assert (rest.offset, rest.value.records, rest.value.reason) == (BASE + 1, 2, Reason.UNREADABLE)
    assert f"offsets {BASE + 1} to {BASE + 2}" in rest.value.message


@pytest.mark.parametrize(
    ("codec", "payload"),
    [
        (1, b"no gzip"),
        (1, b""),
        (2, b"\xff\xff\xff\xff\x0f" + b"snap"),
        (2, b"\x82SNAPPY\x00" + bytes(8) + struct.pack(">i", 99) + b"short"),
        (3, b"no lz4 frame"),
        (4, b"no zstd frame"),
        (6, b"an unknown codec"),
        (3, lz4.frame.compress(bytes(9_999))[:20]),
        (4, zstandard.compress(bytes(9_999))[:12]),
    ],
)
def test_a_batch_that_does_not_unpack_is_one_letter_with_its_range(codec: int, payload: bytes) -> None:
    made = repacked(batch([(None, b"x", [])] * 5), codec, payload)
    (only,) = records(made)
    assert (only.offset, only.key, only.headers) == (BASE, None, ())
    assert isinstance(only.value, Unreadable)
    assert (only.value.reason, only.value.records) == (Reason.UNREADABLE, 5)
    assert only.value.parts["batch"].data == made


def test_a_key_and_headers_of_megabytes_are_cut_each_with_length_and_digest() -> None:
    huge = b"h" * 2**20
    (only,) = records(bytes(batch([(huge, huge, [("n", huge)])])))
    assert isinstance(only.value, Unreadable)
    lengths = {name: part.length for name, part in only.value.parts.items()}
    assert lengths["key"] == lengths["value"] == len(huge)
    assert lengths["headers"] > len(huge)
    assert all(len(part.data) == PREFIX for part in only.value.parts.values())


def test_a_small_block_that_claims_to_be_large_is_not_unpacked() -> None:
    with pytest.raises(Undecodable, match="claims to hold"):
        unpacked(2, bytes([0xFF, 0xFF, 0x7F]) + bytes(SNAPPY_RATIO), 1)


def test_a_bound_holds_before_all_is_unpacked() -> None:
    bomb = zstandard.compress(bytes(64 * 2**20))
    assert unpacked(4, bomb, 2**20) is None
    assert unpacked(0, b"abc", 2) is None
    assert unpacked(0, b"abc", 3) == b"abc"


def test_records_are_in_order() -> None:
    got: list[Record] = list(records(bytes(batch([(None, b"v", [])] * 50, 3))))
    assert all(after.offset == before.offset + 1 for before, after in pairwise(got))
