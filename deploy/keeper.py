"""Keeps one service running: starts it, looks after its health, starts it again."""

import asyncio
import signal
import time
from datetime import UTC, datetime
from enum import StrEnum

from deploy.backoff import Backoff
from deploy.errors import StackError
from deploy.service import Service

START_SECONDS = 90.0
"""Kafka needs 4 s, 30 s on a machine that does other things; a recovery of PostgreSQL after a power cut takes longer."""
SILENT_SECONDS = 60.0
"""A process that lives and does not answer for so long is ended and started again."""
LOOK_SECONDS = 0.2
HEALTH_SECONDS = 1.0


class State(StrEnum):
    """What the table says of a service."""

    WAITING = "waiting"
    PREPARING = "preparing"
    STARTING = "starting"
    RUNNING = "running"
    SILENT = "no answer"
    RESTARTING = "restarting"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


class Keeper:
    """One service. `once`: it has an end of its own (the player); then only a kill makes it start again."""

    def __init__(self, service: Service, *, rank: int, stop_seconds: float, once: bool = False) -> None:
        self.service, self.rank, self.stop_seconds, self.once = service, rank, stop_seconds, once
        self.state, self.since = State.WAITING, datetime.now(UTC)
        self.restarts = 0
        self.message = ""
        self._backoff = Backoff()

    def enter(self, state: State, message: str = "") -> None:
        """Say what is so from now on."""
        if state is not self.state:
            self.state, self.since = state, datetime.now(UTC)
        self.message = message

    async def start(self) -> None:
        """Start it and wait until it answers. Raises StackError when it ends before, or does not answer in 90 s."""
        self.enter(State.PREPARING)
        await asyncio.to_thread(self.service.prepare)
        self.enter(State.STARTING)
        child = self.service.launch()
        deadline = time.monotonic() + START_SECONDS
        while not await asyncio.to_thread(self.service.ready):
            if not child.running:
                break
            if time.monotonic() > deadline:
                await asyncio.to_thread(child.stop, self.stop_seconds)
                raise StackError(f"{child.name} does not answer after {START_SECONDS:.0f} s; see {child.log}")
            await asyncio.sleep(LOOK_SECONDS)
        if not child.running and not (self.once and child.exit_code == 0):
            raise StackError(
                f"{child.name} {how_it_ended(child.exit_code)} at its start; see {child.log}: {child.tail()}"
            )
        self.enter(State.RUNNING)

    async def keep(self) -> None:
        """Keep it running after `start`. Returns when a service with an end of its own has come to it."""
        while True:
            began = time.monotonic()
            await self._watch()
            child = self.service.child
            code = child.exit_code if child else None
            if self.once and code is not None and code >= 0:
                self.enter(State.FAILED if code else State.DONE, child.tail(1) if child and code else "")
                return
            await self._again(how_it_ended(code), time.monotonic() - began)

    async def _watch(self) -> None:
        """Until it has ended, or has been silent for too long and is ended."""
        child = self.service.child
        answered = looked = time.monotonic()
        while child and child.running:
            await asyncio.sleep(LOOK_SECONDS)
            now = time.monotonic()
            if now - looked < HEALTH_SECONDS:
                continue
            looked = now
            if await asyncio.to_thread(self.service.ready):
                answered = time.monotonic()
                self.enter(State.RUNNING)
            elif now - answered > SILENT_SECONDS:
                await asyncio.to_thread(child.stop, self.stop_seconds)
            elif child.running:
                self.enter(State.SILENT)

    async def _again(self, reason: str, healthy_seconds: float) -> None:
        while True:
            wait = self._backoff.after(healthy_seconds)
            self.restarts += 1
            self.enter(State.RESTARTING, f"{reason}; again in {wait:g} s")
            await asyncio.sleep(wait)
            try:
                await self.start()
            except StackError as error:
                reason, healthy_seconds = str(error), 0
            else:
                return

    async def stop(self) -> None:
        """Stop it in order, within `stop_seconds`."""
        if self.service.child:
            await asyncio.to_thread(self.service.child.stop, self.stop_seconds)
        if self.state not in {State.DONE, State.FAILED}:
            self.enter(State.STOPPED)


def how_it_ended(exit_code: int | None) -> str:
    """In words."""
    if exit_code is None:
        return "never ran"
    if exit_code < 0:
        return f"was ended by {signal.Signals(-exit_code).name}"
    return f"ended with code {exit_code}"
