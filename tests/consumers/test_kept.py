"""What is dear to ask for is asked seldom, and nobody waits for it; what is cheap is always fresh."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from consumers.kept import Kept, in_thread


class Question:
    """Takes `takes` seconds of its own clock, and knows how often it was asked."""

    def __init__(self, takes: float) -> None:
        self.now, self.takes, self.asked = 1_000.0, takes, 0
        self.error: Exception | None = None

    def clock(self) -> float:
        return self.now

    def ask(self) -> int:
        self.asked += 1
        self.now += self.takes
        if self.error:
            raise self.error
        return self.asked


class Beside:
    """A thread that runs when it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self._act: Callable[[], int] | None = None
        self._future: Future[int] = Future()

    def __call__(self, act: Callable[[], int]) -> Future[int]:
        self._act, self._future = act, Future()
        self.begun += 1
        return self._future

    def run(self) -> None:
        assert self._act is not None
        self._future.set_result(self._act())


def at_once(act: Callable[[], Any]) -> Future[Any]:
    """A thread that is done before anybody looks."""
    future: Future[Any] = Future()
    try:
        future.set_result(act())
    except ValueError as error:
        future.set_exception(error)
    return future


def looks(question: Question, seconds: float) -> None:
    """Look once a second."""
    kept, end = Kept(question.ask, question.clock, at_once), question.now + seconds
    while question.now < end:
        kept.get()
        question.now += 1


@pytest.mark.parametrize("takes", [0.2, 2.4, 60.0])
def test_what_is_dear_takes_a_twentieth_of_the_time(takes: float) -> None:
    question = Question(takes)
    looks(question, 10_000)
    share = question.asked * takes / 10_000
    assert 0.025 < share < 0.06


def test_what_is_cheap_is_asked_at_each_look() -> None:
    question = Question(0.01)
    kept = Kept(question.ask, question.clock, at_once)
    assert [kept.get(), kept.get()] == [1, 1], "not twice at once"
    for look in range(2, 50):
        question.now += 1
        assert kept.get() == look


def test_nobody_waits_for_a_dear_answer_but_for_the_first() -> None:
    question, beside = Question(2.4), Beside()
    kept = Kept(question.ask, question.clock, beside, patience=0)
    assert kept.get() == 1
    question.now += 60
    assert [kept.get(), kept.get()] == [1, 1]
    assert (question.asked, beside.begun) == (1, 1), "it is being asked, once, elsewhere"
    beside.run()
    assert kept.get() == 2


def test_an_answer_that_does_not_come_is_told_once_and_asked_for_again() -> None:
    question = Question(0.01)
    kept = Kept(question.ask, question.clock, at_once)
    assert kept.get() == 1
    question.error, question.now = ValueError("away"), question.now + 1
    with pytest.raises(ValueError, match="away"):
        kept.get()
    assert kept.get() == 1, "what was known"
    question.error, question.now = None, question.now + 1
    assert kept.get() == 3


def test_a_first_answer_that_does_not_come_is_asked_for_at_the_next_look() -> None:
    question = Question(2.4)
    kept = Kept(question.ask, question.clock, at_once)
    question.error = ValueError("away")
    for _ in range(2):
        with pytest.raises(ValueError, match="away"):
            kept.get()
    question.error = None
    assert kept.get() == 3


def test_a_thread_hands_on_what_it_found_and_what_it_met() -> None:
    assert in_thread(lambda: 7).result(20) == 7
    with pytest.raises(ZeroDivisionError):
        in_thread(lambda: 1 / 0).result(20)
