"""`hcp up --detach` and `hcp down`: a stack in the background."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from deploy.child import log_end
from deploy.errors import StackError
from deploy.lock import Lock
from pipeline.settings import Settings

POLL_SECONDS = 0.1
DOWN_SECONDS = 30.0


def start(words: list[str], folder: Path, log: Path) -> int:
    """Run `hcp up <words>` in a session of its own; returns its pid when all its processes answer. Blocks.

    Raises StackError with what it said when it ends before.
    """
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    log.unlink(missing_ok=True)
    with log.open("ab") as out:  # appended to: it is cut when it has grown too large
        copy = subprocess.Popen(
            [sys.executable, "-m", "deploy", "up", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    lock = Lock(folder)
    try:
        while copy.poll() is None:
            holder = lock.holder()
            if holder and holder.pid == copy.pid and holder.ready:
                return copy.pid
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        copy.send_signal(signal.SIGTERM)
        copy.wait()
        raise
    raise StackError("\n".join(log_end(log)[-1:]) or f"it ended with code {copy.returncode}; see {log}")


def addresses(settings: Settings) -> dict[str, str]:
    """Where to look, for people."""
    web = settings.web
    return {
        "desk": f"http://{web.host}:{web.desk_port}/",
        "gateway": f"{settings.gateway.url}/",
        "metrics": f"http://{web.host}:{web.exporter_port}/metrics",
        "Kafka": settings.kafka.bootstrap_servers,
        "logs": str(settings.stack.data_dir / "log"),
    }


def stop(folder: Path) -> bool:
    """End the stack of this folder and wait until it is gone; False if none runs. Blocks for 30 s at most.

    Raises StackError when it does not end.
    """
    lock = Lock(folder)
    holder = lock.holder()
    if holder is None:
        return False
    os.kill(holder.pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while lock.holder() is not None or _lives(holder.pid):
        if time.monotonic() > deadline:
            raise StackError(
                f"the stack (pid {holder.pid}) has not stopped in {DOWN_SECONDS:.0f} s; kill -9 ends it"
            )
        time.sleep(POLL_SECONDS)
    return True


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
