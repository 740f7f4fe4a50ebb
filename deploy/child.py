"""A child process that cannot outlive its parent: the kernel kills it when the thread that started it ends."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LOG_BYTES = 10_000_000
_libc = ctypes.CDLL(None, use_errno=True)


class Child:
    """A process with a log file. `stop_with` asks it to end; `die_with` is what it gets when its parent is gone.

    Linux only (PR_SET_PDEATHSIG). Start it from the main thread: the kernel watches the thread, not the process.
    """

    def __init__(
        self,
        name: str,
        args: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        *,
        stop_with: signal.Signals = signal.SIGTERM,
        die_with: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name, self.args, self.log = name, list(args), log
        self._env = {**os.environ, **(env or {})}
        self._stop_with, self._die_with = stop_with, die_with
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, stdout: int | None = None) -> subprocess.Popen[bytes]:
        """Start it in a session of its own, so that a Ctrl-C at the terminal reaches only its parent."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        parent = os.getpid()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.args,
                stdin=subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log,
                env=self._env,
                start_new_session=True,
                preexec_fn=lambda: _die_with_parent(self._die_with, parent),  # noqa: PLW1509  one system call, no locks
            )
        return self._process

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self.running else None

    @property
    def running(self) -> bool:
        """Whether it has been started and not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs or before."""
        return None if self._process is None else self._process.poll()

    def ask_to_stop(self) -> None:
        """Send its stop signal, if it runs."""
        if self._process is not None and self.running:
            self._process.send_signal(self._stop_with)

    def stop(self, seconds: float) -> None:
        """Ask, wait, and kill what is left after `seconds`."""
        self.ask_to_stop()
        if self._process is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def tail(self, lines: int = 3) -> str:
        """The last lines of its log, for an error message."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _die_with_parent(with_signal: signal.Signals, parent: int) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, int(with_signal))
    if os.getppid() != parent:  # it was gone before the kernel was told
        os._exit(1)
