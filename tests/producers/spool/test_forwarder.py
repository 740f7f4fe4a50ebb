"""The forwarder: in order, at least once, after whatever happened; nothing is marked that was not acknowledged."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from producers.spool import forwarder as module
from producers.spool.forwarder import Forwarder
from producers.spool.sink import Unsent
from producers.spool.spool import Spool
from tests.producers.spool.making import Clock, ToldSink, crashed, fill, spool, waiting
from tests.wait import wait_for


@contextmanager
def running(open_: Spool, sink: Any) -> Iterator[Forwarder]:
    forwarder = Forwarder(open_, sink, first_pause=0.001)
    forwarder.start()
    try:
        yield forwarder
    finally:
        assert forwarder.stop()


def test_everything_goes_in_order_as_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new row wakes it: it would not look by itself for an hour."""
    monkeypatch.setattr(module, "IDLE_SECONDS", 3_600)
    sink = ToldSink()
    with spool(tmp_path) as open_:
        fill(open_, "e1", "e2")
        with running(open_, sink):
            fill(open_, "e3")
            wait_for(
                lambda: sink.taken == ["e1", "e2", "e3"],
                4,
                "all of them, sooner than it would look by itself",
            )
            wait_for(lambda: open_.stats().pending == 0)
        assert sink.closed == 1
        assert open_.stats().sent == 3


def test_a_sink_that_is_away_is_tried_until_it_is_back(tmp_path: Path) -> None:
    sink = ToldSink()
    sink.away = True
    with spool(tmp_path) as open_, running(open_, sink) as forwarder:
        fill(open_, "e1", "e2")
        wait_for(lambda: forwarder.last_error == "away")
        assert waiting(open_) == ["e1", "e2"]
        sink.away = False
        wait_for(lambda: open_.stats().pending == 0)
        wait_for(lambda: not forwarder.last_error)
        assert sink.taken == ["e1", "e2"]


def test_an_error_nobody_thought_of_is_survived(tmp_path: Path) -> None:
    class Broken(ToldSink):
        def send(self, rows: Any) -> None:
            if not self.closed:
                self.closed = 1
                raise ZeroDivisionError
            super().send(rows)

    sink = Broken()
    with spool(tmp_path) as open_, running(open_, sink):
        fill(open_, "e1")
        wait_for(lambda: sink.taken == ["e1"])


def test_what_is_refused_is_set_aside_and_the_others_go_once(tmp_path: Path) -> None:
    sink = ToldSink()
    sink.refuses = {"e2"}
    with spool(tmp_path) as open_, running(open_, sink):
        fill(open_, "e1", "e2", "e3")
        wait_for(lambda: open_.stats().pending == 0)
        assert sink.taken == ["e1", "e3"]
        assert open_.stats().refused_rows == 1


def test_a_crash_after_the_send_sends_again_and_loses_nothing(tmp_path: Path) -> None:
    sink = ToldSink()
    with spool(tmp_path / "a") as first:
        fill(first, "e1", "e2")
        sink.send(first.pending(10))
        left = crashed(tmp_path / "a", tmp_path / "left")
    with spool(left) as second, running(second, sink):
        wait_for(lambda: second.stats().pending == 0)
    assert sink.taken == ["e1", "e2", "e1", "e2"]


class MarksFirst(Forwarder):
    """The broken twin: it marks before the sink has acknowledged."""

    def forward_some(self) -> int:
        rows = self._spool.pending(10)
        self._spool.mark_sent(rows)
        self._sink.send(rows)
        return len(rows)


@pytest.mark.parametrize(("kind", "left"), [(Forwarder, ["e1"]), (MarksFirst, [])])
def test_a_mark_before_the_acknowledgement_would_lose_rows(
    kind: type[Forwarder], left: list[str], tmp_path: Path
) -> None:
    sink = ToldSink()
    sink.away = True
    with spool(tmp_path) as open_:
        fill(open_, "e1")
        with pytest.raises(Unsent):
            kind(open_, sink).forward_some()
        assert waiting(open_) == left


def test_pauses_grow_and_differ_and_respect_what_the_sink_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    with spool(tmp_path) as open_:
        one = Forwarder(open_, ToldSink())
        monkeypatch.setattr(one._stop, "wait", pauses.append)
        for _ in range(12):
            one._rest(Unsent("away"))
        assert pauses[0] <= module.FIRST_PAUSE_SECONDS
        assert all(0 < pause <= module.LAST_PAUSE_SECONDS for pause in pauses)
        assert max(pauses) > module.LAST_PAUSE_SECONDS / 2
        one._rest(Unsent("busy", retry_after=120))
        assert pauses[-1] == 120


def test_it_prunes_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PRUNE_SECONDS", 0)
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.01)
    clock = Clock()
    with spool(tmp_path, clock=clock, keep_sent=timedelta(hours=1)) as open_, running(open_, ToldSink()):
        fill(open_, "e1")
        wait_for(lambda: open_.stats().sent == 1)
        clock.jump(hours=2)
        wait_for(lambda: open_.find("e1") is None)


def test_stop_does_not_wait_for_a_sink_that_hangs(tmp_path: Path) -> None:
    class Hanging(ToldSink):
        def __init__(self) -> None:
            super().__init__()
            self.in_it, self.go_on = threading.Event(), threading.Event()

        def send(self, _: Any) -> None:
            self.in_it.set()
            self.go_on.wait(30)
            raise Unsent("at last")

    sink = Hanging()
    with spool(tmp_path) as open_:
        fill(open_, "e1")
        forwarder = Forwarder(open_, sink)
        forwarder.start()
        assert sink.in_it.wait(10)
        began = time.monotonic()
        assert not forwarder.stop(0.1)
        assert time.monotonic() - began < 5
        assert waiting(open_) == ["e1"]
        sink.go_on.set()
        assert forwarder.stop(10)


def test_stop_ends_a_pause(tmp_path: Path) -> None:
    sink = ToldSink()
    sink.away = True
    with spool(tmp_path) as open_:
        fill(open_, "e1")
        forwarder = Forwarder(open_, sink, first_pause=30)
        forwarder.start()
        wait_for(lambda: forwarder.last_error)
        assert forwarder.stop(5)
