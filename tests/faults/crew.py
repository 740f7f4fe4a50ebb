"""The worker processes: started, killed, stopped, and started again when they end, as `hcp up` does."""

import signal
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Event, Lock, Thread

from tests.faults.clock import Clock
from tests.harness import System

RESTART_SECONDS = 0.5
"""What `hcp up` waits before it starts a process again for the first time."""
BRISK = """
    import pipeline.worker.app as _app
    _app.HEARTBEAT_SECONDS = 1.0
"""
"""A slot is claimed again within a second after the database was away, so that the next fault may come."""


@dataclass
class Crew:
    """Workers by number; the numbers are the harness's, not the slots. `ends`: exit codes of workers that nobody had struck."""

    system: System
    clock: Clock
    code: str = ""
    ends: list[int] = field(default_factory=list)
    _processes: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    _stacks: dict[int, ExitStack] = field(default_factory=dict)
    _struck: set[int] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)
    _over: Event = field(default_factory=Event)

    def start(self, workers: int) -> None:
        """Start so many, and look after them from now on."""
        for _ in range(workers):
            self.join()
        self._keeper = Thread(target=self._keep, name="crew", daemon=True)
        self._keeper.start()

    def join(self) -> int:
        """One worker more; returns its number."""
        with self._lock:
            number = max(self._processes, default=-1) + 1
            self._launch(number)
        return number

    def leave(self, number: int) -> None:
        """This worker leaves in peace and does not come back. Blocks until it is gone."""
        with self._lock:
            process, stack = self._processes.pop(number), self._stacks.pop(number)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            stack.close()

    def signal(self, number: int, what: signal.Signals) -> None:
        """Send it this signal. Whether it ends by that or not, it is the harness's doing."""
        with self._lock:
            self._struck.add(self._processes[number].pid)
            self._processes[number].send_signal(what)

    @property
    def numbers(self) -> list[int]:
        """Who is there."""
        return sorted(self._processes)

    @property
    def pids(self) -> list[int]:
        """Their processes."""
        with self._lock:
            return [process.pid for process in self._processes.values()]

    def close(self) -> None:
        """Kill what is left."""
        self._over.set()
        self._keeper.join()
        for stack in self._stacks.values():
            stack.close()

    def _launch(self, number: int) -> None:
        stack = self._stacks[number] = ExitStack()
        self._processes[number] = stack.enter_context(
            self.system.worker(BRISK + self.clock.code + self.code, kill=True)
        )

    def _keep(self) -> None:
        while not self._over.wait(0.1):
            with self._lock:
                ended = {n: p.returncode for n, p in self._processes.items() if p.poll() is not None}
                self.ends += [code for n, code in ended.items() if self._processes[n].pid not in self._struck]
            if ended and not self._over.wait(RESTART_SECONDS):
                with self._lock:
                    for number in ended:
                        self._stacks[number].close()
                        self._launch(number)
