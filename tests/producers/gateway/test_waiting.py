"""What a request waits with: for the disk, and for a body that may never come."""

import asyncio
import threading

import pytest

from producers.gateway import patience
from producers.gateway.landing import Landing
from producers.gateway.patience import Patience
from producers.spool.errors import SpoolFull


def test_answers_of_another_thread_reach_who_waits_for_them() -> None:
    async def run() -> list[object]:
        landing = Landing(asyncio.get_running_loop())
        replies = [landing.reply() for _ in range(100)]

        def committed() -> None:
            for number, reply in enumerate(replies):
                if number % 2:
                    reply.set_exception(SpoolFull("full"))
                else:
                    reply.set_result(number)

        threading.Thread(target=committed).start()
        return list(await asyncio.gather(*(one.waiting for one in replies), return_exceptions=True))

    answers = asyncio.run(run())
    assert answers[::2] == list(range(0, 100, 2))
    assert all(isinstance(one, SpoolFull) for one in answers[1::2])


def test_who_has_gone_does_not_keep_the_others_waiting() -> None:
    async def run() -> object:
        landing = Landing(asyncio.get_running_loop())
        gone, there = landing.reply(), landing.reply()
        gone.waiting.cancel()
        gone.set_result("nobody hears it")
        there.set_result("heard")
        return await there.waiting

    assert asyncio.run(run()) == "heard"


def test_an_answer_after_the_loop_has_ended_is_nobodys() -> None:
    async def run() -> Landing:
        return Landing(asyncio.get_running_loop())

    landing = asyncio.run(run())
    assert landing.loop.is_closed()
    landing.land(landing.loop.create_future(), "late", None)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other fast."""
    monkeypatch.setattr(patience, "LOOK_SECONDS", 0.01)


@pytest.mark.usefixtures("quick")
def test_only_the_slow_one_is_cut_off() -> None:
    waits = Patience(0.05)

    async def one(event: asyncio.Event) -> str:
        try:
            with waits.within():
                await event.wait()
        except TimeoutError:
            return "cut off"
        return "done"

    async def run() -> list[str]:
        fast, never = asyncio.Event(), asyncio.Event()
        tasks = [asyncio.create_task(one(event)) for event in (fast, never)]
        await asyncio.sleep(0)
        fast.set()
        return list(await asyncio.gather(*tasks))

    assert asyncio.run(run()) == ["done", "cut off"]
    assert asyncio.run(run()) == ["done", "cut off"], "another loop"


@pytest.mark.usefixtures("quick")
def test_a_cancellation_from_elsewhere_is_one() -> None:
    waits = Patience(60)

    async def slow() -> None:
        with waits.within():
            await asyncio.Event().wait()

    async def run() -> None:
        task = asyncio.create_task(slow())
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
