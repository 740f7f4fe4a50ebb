"""A child process of the stack: its log, its tie to its parent's life, its orderly end."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from deploy import tether

LOG_BYTES = 10_000_000
"""Of a log and of the one before it, each."""
_UTF8 = {"LC_ALL": "C.UTF-8"}  # else Java cannot read a path with Chinese characters


class Child:
    """A process with a log file. `stop_with` asks it to end; `die_with` is what it gets when its parent is gone.

    Linux only. Start it from a thread that lives as long as the parent shall: the kernel watches that thread.
    `folder` is its working directory, `user` the `uid:gid` to become (`-`: stay). Of our settings (HCP_…) it gets
    those of `env` only.
    """

    def __init__(
        self,
        name: str,
        args: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        *,
        folder: Path | None = None,
        user: str = "-",
        stop_with: signal.Signals = signal.SIGTERM,
        die_with: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name, self.log = name, log
        self.args = tether.tied(args, die_with, user)
        ours = {key: value for key, value in os.environ.items() if not key.startswith("HCP_")}
        self._env, self._folder = {**ours, **_UTF8, **(env or {})}, folder
        self._stop_with = stop_with
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it in a session of its own, so that a Ctrl-C at the terminal reaches only its parent."""
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.args,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
                start_new_session=True,
            )

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
            with suppress(psutil.NoSuchProcess):  # it ends by itself just now
                self._process.send_signal(self._stop_with)

    def stop(self, seconds: float) -> None:
        """Ask, wait, and kill after `seconds` what is left, with what it started. Blocks until it is gone."""
        self.ask_to_stop()
        if self._process is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def tail(self, lines: int = 3) -> str:
        """The last lines of its log, for an error message."""
        return "\n".join(log_end(self.log)[-lines:])


def log_end(log: Path, size: int = 8_192) -> list[str]:
    """The lines of a log's last bytes; none if there is no log."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - size))
        return file.read().decode(errors="replace").splitlines()


def rotate(log: Path, most: int = LOG_BYTES) -> None:
    """Move what is in a log of more than `most` bytes to `<log>.1`, over what was there. Blocks.

    Its process writes on: it holds the file itself, and appends. What it writes between the last look and the cut, some
    microseconds, is lost.
    """
    if log.stat().st_size <= most:
        return
    with log.open("r+b") as full, log.with_name(f"{log.name}.1").open("wb") as before:
        while part := full.read(2**20):
            before.write(part)
        full.truncate(0)


def end_leftovers(folder: Path, program: str, signal_number: int, seconds: float = 10) -> list[int]:
    """End what an earlier start left running in `folder`; returns the pids. Blocks until they are gone.

    A server of ours has its data's folder as working directory. Only processes called `program` are touched, not a
    shell that stands there.
    """
    left = [one for one in psutil.process_iter(["name", "cwd"]) if _runs_in(one, folder, program)]
    for one in left:
        with suppress(psutil.NoSuchProcess):  # a server's own processes end with it
            one.send_signal(signal_number)
    _, stubborn = psutil.wait_procs(left, timeout=seconds)
    for one in stubborn:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(stubborn, timeout=seconds)
    return [one.pid for one in left]


def _runs_in(one: psutil.Process, folder: Path, program: str) -> bool:
    where = one.info["cwd"]
    return one.info["name"] == program and bool(where) and Path(where) == folder.resolve()
