"""Stopwatches tell own time: what is timed inside a function is not counted twice."""

import pytest

from tests.bench import timing
from tests.bench.timing import Stopwatch


class Clock:
    """A clock that is set by hand; CPU passes at half its speed."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> tuple[float, float]:
        return self.now, self.now / 2

    def work(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(timing, "_now", made)
    return made


def test_own_times_add_up_to_the_whole(clock: Clock) -> None:
    watch = Stopwatch()
    inner = watch.timed("inner", lambda: clock.work(2))

    def both() -> None:
        clock.work(1)
        inner()
        inner()
        clock.work(4)

    watch.timed("outer", both)()
    assert watch.sums == {"inner": [4, 2], "outer": [5, 2.5]}


def test_a_function_that_raises_is_timed_and_leaves_no_trace_on_the_next(clock: Clock) -> None:
    watch = Stopwatch()

    def fail() -> None:
        clock.work(3)
        raise KeyError

    with pytest.raises(KeyError):
        watch.timed("failing", fail)()
    watch.timed("next", lambda: clock.work(1))()
    assert watch.sums == {"failing": [3, 1.5], "next": [1, 0.5]}
