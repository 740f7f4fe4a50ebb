"""`hcp up`: a stack from its start to its end, in one event loop."""

import asyncio
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from consumers.status import Status, collect
from deploy import private
from deploy.drained import Draining
from deploy.embedded import jars
from deploy.errors import StackError
from deploy.keeper import State
from deploy.lock import Lock
from deploy.stack import Stack
from deploy.view import View, shown
from pipeline.ledger.verify import verify
from pipeline.settings import Settings

LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Order:
    """What `hcp up` was asked for. `speed`: records a second, or `max`; empty: the player's own."""

    until_done: bool = False
    empty: bool = False
    cases: Path | None = None
    source: str = ""
    speed: str = ""
    seed: int | None = None

    def __post_init__(self) -> None:
        if (self.cases is None) != (not self.source):
            raise StackError("--cases and --source go together: a file, and the mapping that reads it")
        if self.empty and (self.cases or self.until_done):
            raise StackError("--empty plays nothing: it goes neither with --cases nor with --until-done")

    def player_words(self) -> list[str]:
        """The options of `hcp play`."""
        speed = "max" if self.until_done else self.speed
        return _options(cases=self.cases, source=self.source, speed=speed, seed=self.seed)

    def words(self) -> list[str]:
        """The options of `hcp up` that say the same."""
        flags = [flag for flag, on in {"--until-done": self.until_done, "--empty": self.empty}.items() if on]
        return flags + _options(cases=self.cases, source=self.source, speed=self.speed, seed=self.seed)


def _options(**values: Path | str | int | None) -> list[str]:
    given = {name: value for name, value in values.items() if value not in {None, ""}}
    return [word for name, value in given.items() for word in (f"--{name}", str(value))]


def run(settings: Settings, order: Order, console: Console) -> int:
    """Start, show, stop; returns the exit code. Blocks until SIGINT, SIGTERM or SIGHUP, or until the order is done.

    Raises StackError when something cannot start; all that did start is stopped then, too.
    """
    private.make_folder(settings.stack.data_dir)
    with Lock(settings.stack.data_dir).held() as lock:
        return asyncio.run(Up(settings, order, console, lock).run())


class Up:
    """One run of `hcp up`."""

    def __init__(self, settings: Settings, order: Order, console: Console, lock: Lock) -> None:
        self.stack, self.order, self.console, self.lock = Stack(settings), order, console, lock
        self.view = View(self.stack)
        self.phases: dict[str, float] = {}
        self.status = Status(self.stack.settings)
        self.stopping = False

    async def run(self) -> int:
        """1. Start. 2. Show, until told to stop or done. 3. Stop all, whatever happened."""
        self._listen_to_signals()
        try:
            async with shown(self.view, self.console):
                await self._start()
                await self._follow()
            return await self._finish()
        except asyncio.CancelledError:
            return 0
        finally:
            self.stopping = True
            with self._phase("stop"):
                await self.stack.supervisor.stop()
            self.status.close()

    def _listen_to_signals(self) -> None:
        loop, work = asyncio.get_running_loop(), asyncio.current_task()

        def stop() -> None:
            if work and not self.stopping:  # a second Ctrl-C must not leave half of the processes behind
                self.stopping = True
                work.cancel()

        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(one, stop)

    async def _start(self) -> None:
        """1. Servers. 2. Topics and schemas. 3. Worker, pages and input."""
        libs = self.stack.folder / "kafka" / "libs"
        if not self.stack.settings.kafka.bootstrap_servers and not jars.are_there(libs):
            self.console.print("fetching Apache Kafka through Maven, once: 43 MB, about 20 s")
        self.stack.claim_pages()
        with self._phase("servers"):
            await self.stack.start_servers()
        with self._phase("schemas"):
            await self.stack.prepare_servers()
        with self._phase("worker"):
            await asyncio.gather(self.stack.start_commands(), self._start_player())
        self.lock.tell_ready()

    async def _start_player(self) -> None:
        if not self.order.empty:
            await self.stack.start_player(self.order.player_words())

    async def _follow(self) -> None:
        """Show what comes through; returns when all is done, if that is the order."""
        draining = Draining()
        began = time.monotonic()
        while True:
            self.stack.supervisor.check()
            await asyncio.to_thread(self.stack.rotate_logs)
            played = self.order.until_done and self._played(began)
            picture = await self._look()
            if played and draining.done(picture):
                self.phases["fold"] = time.monotonic() - began - self.phases["play"]
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> Mapping[str, Any]:
        """The picture of this moment, shown. Blocks for 5 s at most while a server is away."""
        try:
            self.view.picture = await asyncio.to_thread(self.status.collect)
        except Exception as error:  # noqa: BLE001  no view may end the supervisor
            self.view.fail(error)
        return self.view.picture

    def _played(self, began: float) -> bool:
        player = self.stack.player
        if player is None or player.state is State.FAILED:
            raise StackError(
                f"the input could not be played: {player.message if player else 'there is none'}"
            )
        if player.state is not State.DONE:
            return False
        self.phases.setdefault("play", time.monotonic() - began)
        return True

    async def _finish(self) -> int:
        with self._phase("verify"):
            findings = await asyncio.to_thread(verify, self.stack.settings)
        self.view.picture = picture = await asyncio.to_thread(collect, self.stack.settings)
        errors = [str(one) for one in [*findings, *picture["errors"]]]
        self.console.print(self.view.summary(self.phases))
        for error in errors:
            self.console.print(error, style="red", markup=False)
        self.console.print("the ledger is whole" if not errors else f"{len(errors)} things are wrong")
        return 1 if errors else 0

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.phases[name] = time.monotonic() - began
        self.console.print(f"{name}: {self.phases[name]:.1f} s", highlight=False)
