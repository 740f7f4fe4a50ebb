"""A run: the county's devices are registered, its plan is sent as its time goes on, its devices are taken out again."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

import uvloop

from pipeline.settings import Settings
from producers.errors import CannotSimulateError
from producers.pace import Pace
from producers.qr.making import tokens_of
from producers.simulation.miniature import Miniature
from producers.simulation.plan import plan
from producers.simulator import letters
from producers.simulator.asking import kind_of
from producers.simulator.connection import Connection, Lost
from producers.simulator.courier import Courier, Shared
from producers.simulator.enrolment import enrol, withdraw
from producers.simulator.lanes import Lanes, parcels
from producers.simulator.report import line
from producers.simulator.tally import Tally
from producers.simulator.timeline import Timeline, wait
from producers.spool.http_sink import Sender

KNOWN_SECONDS = 15.0
"""A gateway looks for new devices every few seconds."""
LINE_SECONDS = 5.0
LOOK_SECONDS = 0.2

Say = Callable[[str], None]


class Order(NamedTuple):
    """What `hcp simulate` was asked for. `url`: the gateway's; `speed`: as Timeline has it; `pace`: events a second at most,
    0 for any number; `seconds`: end after so long, 0 with the plan.
    """

    county: Miniature
    url: str
    speed: float | None = None
    pace: float = 0.0
    connections: int = 16
    seconds: float = 0.0


def run(settings: Settings, order: Order, say: Say = lambda _: None) -> Tally:
    """Send the plan, or as much of it as there is until SIGINT, SIGTERM or the order's time. Blocks.

    Raises DeviceError, CannotSimulateError, InputError.
    """
    tokens = tokens_of(settings.seal)
    enrolled = enrol(settings, order.county)
    try:
        return uvloop.run(_run(order, Shared(order.url, enrolled, tokens, Tally(), {}, asyncio.Event()), say))
    finally:
        withdraw(settings, enrolled)


async def _run(order: Order, shared: Shared, say: Say) -> Tally:
    """1. The gateway knows us. 2. Everything is sent, and now and then a line is said."""
    _listen(shared.stop)
    *_, last = shared.enrolled.values()
    await _until_known(order.url, last, shared.stop)
    shared.tally.restart()
    lines = asyncio.create_task(_say_lines(shared.tally, say))
    if order.seconds:
        asyncio.get_running_loop().call_later(order.seconds, shared.stop.set)
    async with asyncio.TaskGroup() as group:
        lanes = Lanes(order.connections, lambda: Courier(shared))
        lanes.open(group)
        group.create_task(_dispatch(order, shared.stop, lanes))
    lines.cancel()
    return shared.tally


async def _dispatch(order: Order, stop: asyncio.Event, lanes: Lanes) -> None:
    """Hand over each parcel when its time comes."""
    timeline, pace = Timeline(order.county.began, order.speed), Pace(order.pace or None)
    for parcel in parcels(plan(order.county)):
        paced = [pace.next_in() for _ in parcel]
        if await wait(stop, max(timeline.seconds_until(parcel[0].at), paced[-1])):
            break
        await lanes.put(parcel)
    await lanes.end()


async def _until_known(url: str, sender: Sender, stop: asyncio.Event) -> None:
    """Ask with nothing in the hand until the gateway believes who we are. Raises CannotSimulateError."""
    connection, deadline = Connection(url), time.monotonic() + KNOWN_SECONDS
    while trouble := await _trouble(connection, sender):
        if time.monotonic() > deadline:
            raise CannotSimulateError(
                f"the gateway at {url}: {trouble}; does `hcp gateway` run there, on the same database?"
            )
        if await wait(stop, LOOK_SECONDS):
            break
    connection.close()


async def _trouble(connection: Connection, sender: Sender) -> str:
    """Why the gateway does not take what this one signs; empty if it does."""
    try:
        answer = await connection.ask(letters.batch(sender, []))
    except Lost as lost:
        return f"it does not answer ({lost})"
    return "" if answer.status == HTTPStatus.ACCEPTED else f"it refuses our devices ({kind_of(answer)})"


def _listen(stop: asyncio.Event) -> None:
    """End at SIGINT and SIGTERM, which reach the main thread alone."""
    if threading.current_thread() is threading.main_thread():
        for one in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(one, stop.set)


async def _say_lines(tally: Tally, say: Say) -> None:
    done = 0
    while True:
        await asyncio.sleep(LINE_SECONDS)
        say(line(tally, (tally.done - done) / LINE_SECONDS))
        done = tally.done
        del tally.recent[:]
