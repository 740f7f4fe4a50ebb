"""A terminal's chain, however it is interrupted: every number once, none left out, each event naming the one before."""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.errors import DamagedError
from producers.spool.errors import SpoolFull
from producers.spool.record import Appended, Record
from producers.spool.spool import Spool
from producers.terminal.chain import Head, linked
from producers.terminal.enrolment import Enrolment
from producers.terminal.keeper import FILE, Keeper, Standing
from schemas.codes import Channel
from schemas.events import ReviewEvent
from schemas.reading import Invalid, read
from tests.producers.spool.making import Clock, spool

NOW = datetime(2026, 11, 23, 7, 20, tzinfo=UTC)
ENROLMENT = Enrolment("http://127.0.0.1:9", "W1", "terminal-1", "k1", "", Channel.TERMINAL)


class Killed(BaseException):
    """The process is no more."""


class Fragile:
    """A spool in front of which, or behind which, the process is killed; or that is full."""

    def __init__(self, inner: Spool, fate: str) -> None:
        self.inner, self.fate = inner, fate

    def append(self, record: Record) -> "Future[Appended]":
        fate, self.fate = self.fate, ""
        if fate == "before":
            raise Killed
        if fate == "full":
            full: Future[Appended] = Future()
            full.set_exception(SpoolFull("full"))
            return full
        future = self.inner.append(record)
        future.result()
        if fate == "after":
            raise Killed
        return future

    def record(self, event_id: str) -> Record | None:
        return self.inner.record(event_id)


def bodies(folder: Path) -> list[bytes]:
    with spool(folder / "spool") as opened:
        return [row.record.value for row in opened.pending(1_000)]


def is_chain(events: Iterable[bytes]) -> bool:
    """Whether they are numbered from 1, each naming the one before it."""
    before = ""
    for number, body in enumerate(events, 1):
        event = json.loads(body)
        if (event["device_seq"], event.get("device_prev", "")) != (number, before):
            return False
        before = sha256(body).hexdigest()
    return True


def story(folder: Path, fates: list[str], keeper: Callable[..., Keeper] = Keeper) -> list[str]:
    """Keep a review for each fate, beginning anew after each kill; returns the ids of those that were said to be kept."""
    kept = []
    for number, fate in enumerate(fates):
        with spool(folder / "spool") as inner, suppress(Killed, SpoolFull):
            one = keeper(folder, ENROLMENT, Fragile(inner, fate))
            kept.append(one.keep({"event_id": f"e{number}", "satisfaction": 5}).event_id)
    with spool(folder / "spool") as inner:
        keeper(folder, ENROLMENT, inner).settle()
    return kept


fates = st.lists(st.sampled_from(["", "before", "after", "full"]), min_size=1, max_size=8)


@given(fates)
@settings(max_examples=60, deadline=None)
def test_whatever_interrupts_it_the_chain_is_whole(told: list[str]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        kept = story(folder, told)
        there = bodies(folder)
        assert is_chain(there)
        assert set(kept) <= {json.loads(body)["event_id"] for body in there}


class NumberLast(Keeper):
    """Broken: the head is written when the event is in the spool."""

    def _advance(self, head: Head, body: bytes) -> None:
        self._spool.append(self._record(body)).result()
        self._write(Standing(self._enrolment.device_id, head))


class NumberAlone(Keeper):
    """Broken: the head is written first, without its event."""

    def _advance(self, head: Head, body: bytes) -> None:
        self._write(Standing(self._enrolment.device_id, head))
        self._spool.append(self._record(body)).result()


@pytest.mark.parametrize(("broken", "fate"), [(NumberLast, "after"), (NumberAlone, "before")])
def test_a_number_that_moves_apart_from_its_event_goes_red(
    tmp_path: Path, broken: type[Keeper], fate: str
) -> None:
    story(tmp_path, ["", fate, ""], broken)
    assert not is_chain(bodies(tmp_path))
    story(tmp_path / "right", ["", fate, ""])
    assert is_chain(bodies(tmp_path / "right"))


def test_the_chain_goes_on_when_everything_was_sent_and_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    with spool(tmp_path / "spool", clock=clock) as opened:
        keeper = Keeper(tmp_path, ENROLMENT, opened)
        keeper.keep({"satisfaction": 5})
        opened.mark_sent(opened.pending(10))
        clock.jump(days=2)
        opened.prune()
        assert opened.stats().pending == 0
    with spool(tmp_path / "spool", clock=clock) as opened:
        assert Keeper(tmp_path, ENROLMENT, opened).keep({"satisfaction": 5}).device_seq == 2


def test_the_same_said_again_is_kept_once(tmp_path: Path) -> None:
    with spool(tmp_path / "spool") as opened:
        keeper = Keeper(tmp_path, ENROLMENT, opened)
        said = {"event_id": "e1", "satisfaction": 4}
        assert keeper.keep(said) == keeper.keep(said) == ("e1", 1)
        assert keeper.keep({"satisfaction": 4}).device_seq == 2


def test_no_review_stays_beside_the_spool(tmp_path: Path) -> None:
    with spool(tmp_path / "spool") as opened:
        Keeper(tmp_path, ENROLMENT, opened).keep({"satisfaction": 1, "comment": "等了很久"})
    assert json.loads((tmp_path / FILE).read_text())["event"] == ""


def test_another_device_begins_its_own_chain(tmp_path: Path) -> None:
    with spool(tmp_path / "spool") as opened:
        Keeper(tmp_path, ENROLMENT, opened).keep({"satisfaction": 5})
        other = Enrolment("http://127.0.0.1:9", "W1", "terminal-2", "k1", "", Channel.TERMINAL)
        assert Keeper(tmp_path, other, opened).keep({"satisfaction": 5}).device_seq == 1


def test_a_damaged_head_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    with spool(tmp_path / "spool") as opened, pytest.raises(DamagedError):
        Keeper(tmp_path, ENROLMENT, opened)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"satisfaction": 6},
        {"satisfaction": "5"},
        {"satisfaction": 5, "device_seq": 7},
        {"satisfaction": 5, "channel": "qr"},
        {"satisfaction": 5, "reviewer": {"phone": "13800135678"}},
        {"satisfaction": 5, "submitted_at": "2999-01-01T00:00:00Z"},
    ],
)
def test_what_is_no_review_takes_no_number(tmp_path: Path, said: dict[str, Any]) -> None:
    with spool(tmp_path / "spool") as opened:
        keeper = Keeper(tmp_path, ENROLMENT, opened)
        with pytest.raises(Invalid) as refused:
            keeper.keep(said)
        assert "13800135678" not in str(refused.value)
        assert keeper.keep({"satisfaction": 5}).device_seq == 1


reviews = st.builds(
    lambda level, words: {"satisfaction": level, "comment": words}, st.integers(1, 5), st.text(max_size=50)
)


@given(st.lists(reviews, max_size=10))
def test_a_chain_is_what_the_contract_says(said: list[dict[str, Any]]) -> None:
    head, made = Head(), []
    for number, one in enumerate(said):
        review = ReviewEvent(**one, channel=Channel.TERMINAL, submitted_at=NOW, event_id=f"e{number}")
        body, head = linked(head, review)
        made.append(body)
        read(ReviewEvent, body, NOW)
    assert is_chain(made)
    assert head.seq == len(said)
