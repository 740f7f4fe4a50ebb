"""Neighbours of the odd records, made by Hypothesis, against one worker that lives through all of them."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from schemas.topics import INPUTS, Stream
from tests.harness import case, review
from tests.liveness.conftest import Grounds
from tests.liveness.ground import MEMORY, Ground, ordinary
from tests.liveness.odd import Event, plain
from tests.liveness.sizes import Sizes
from tests.liveness.wire import CODECS, NotTakenError, Raw, batch

pytestmark = pytest.mark.system

Write = Callable[[Event], bytes | None]
LARGE = 900_000
FIELDS = sorted(
    {*case("x"), *review("x"), "received_at", "service_no", "review_no", "reviewer", "comment", "extra"}
)


class Sent(NamedTuple):
    """A batch: how each value is written, and what stands around it."""

    stream: Stream
    partition: int
    codec: str
    records: list[tuple[Write, dict[str, Any]]]


def _cut(at: float, junk: bytes) -> Write:
    """Junk in the middle of an ordinary value."""

    def write(event: Event) -> bytes:
        body = json.dumps(event).encode()
        return body[: int(at * len(body))] + junk + body[int(at * len(body)) :]

    return write


def _changed(fields: dict[str, Any]) -> Write:
    return lambda event: json.dumps(event | fields).encode()


def _nested(depth: int, opening: str, closing: str) -> Write:
    return lambda event: (
        json.dumps(event)[:-1] + f', "extra": {opening * depth}0{closing * depth}}}'
    ).encode()


def _same(value: bytes | None) -> Write:
    return lambda _: value


texts = st.text(st.characters(exclude_categories=()), max_size=80)
times = st.builds(
    "{:04d}-{:02d}-{:02d}T00:00:00{}".format,
    st.sampled_from([0, 1, 1969, 1999, 2026, 9999]),
    st.integers(0, 13),
    st.integers(0, 32),
    st.sampled_from(["", "Z", "+23:59", "-23:59", "+99:99"]),
)
scalars = (
    st.none() | st.booleans() | st.floats() | st.integers() | st.integers(-(10**40), 10**40) | texts | times
)
bodies = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
values: st.SearchStrategy[Write] = st.one_of(
    st.builds(_same, st.none() | st.binary(max_size=300)),
    st.builds(
        _same, st.builds(lambda one, n: one * n, st.binary(min_size=1, max_size=1), st.integers(0, LARGE))
    ),
    st.builds(_cut, st.floats(0, 1), st.binary(max_size=8)),
    st.builds(_changed, st.dictionaries(st.sampled_from(FIELDS), bodies, max_size=4)),
    st.builds(_nested, st.integers(1, 20_000), st.just("["), st.just("]")),
    st.builds(_nested, st.integers(1, 10_000), st.just('{"a":'), st.just("}")),
    st.just(_changed({})),
)
headers = st.lists(
    st.tuples(
        st.binary(max_size=12) | st.sampled_from([b"ce_id", b"hcp_received_at", b"hcp_edge"]),
        st.none() | st.binary(max_size=60) | times.map(str.encode),
    ),
    max_size=5,
)
around = st.fixed_dictionaries(
    {},
    optional={
        "key": st.none() | st.binary(max_size=60),
        "headers": headers,
        "timestamp": st.integers(-(1 << 62), 1 << 62),
    },
)
batches = st.builds(
    Sent,
    st.sampled_from(INPUTS),
    st.integers(0, 5),
    st.sampled_from(sorted(CODECS)),
    st.lists(st.tuples(values, around), min_size=1, max_size=5),
)


def test_every_record_has_one_fate_and_the_promise_holds_after_each(grounds: Grounds, sizes: Sizes) -> None:
    """No shrinking: each try of an example that breaks the promise costs a new stack."""

    @settings(
        max_examples=sizes.examples, phases=[Phase.explicit, Phase.generate], report_multiple_bugs=False
    )
    @given(st.lists(batches, min_size=1, max_size=4))
    def hold(sent: list[Sent]) -> None:
        _hold(grounds.whole(), sent)

    hold()


def _hold(ground: Ground, sent: list[Sent]) -> None:
    before = ground.folded()
    ground.scales.reset()
    taken = 0
    for one in sent:
        records = [Raw(b"k", write(ordinary(one.stream)))._replace(**more) for write, more in one.records]
        made = batch([*records, plain(ordinary(one.stream))], one.codec)
        with suppress(NotTakenError):  # the broker's own bounds
            taken += len(ground.send_records(one.stream, one.partition, made, len(records) + 1))
    ground.keep()
    pairs = ground.promise.partitions() * 2
    ground.wait(lambda: ground.folded() == before + taken + pairs, "exactly one fate for each record")
    assert ground.scales.peak <= MEMORY, f"the worker held {ground.scales.peak / 1e6:.0f} MB"
    assert not ground.crew.ends, f"the worker ended by itself: {ground.crew.ends}"
