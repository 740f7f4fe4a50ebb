"""Outages of the two servers: stopped for a while, or killed and started again."""

import gc
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from deploy.embedded.kafka import Kafka
from deploy.embedded.postgres import Postgres
from tests.wait import wait_for

Server = Kafka | Postgres


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """SIGSTOP of all its processes; SIGCONT at the end. Connections stay, and nobody answers."""
    everyone = _processes(server)
    _signal(everyone, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(everyone, signal.SIGCONT)


@contextmanager
def killed(server: Server) -> Iterator[None]:
    """SIGKILL of all its processes; started again at the end. Blocks then until it answers."""
    everyone = _processes(server)
    _signal(everyone, signal.SIGKILL)
    psutil.wait_procs(everyone, timeout=30)
    if server.child:
        server.child.stop(10)
    try:
        yield
    finally:
        server.start()
        wait_for(server.ready, 90, f"{server.name}, back again")
        collect_sockets()


def collect_sockets() -> None:
    """Kafka-python leaves sockets of refused connections to the garbage collector, and a warning is an error in the next test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _processes(server: Server) -> list[psutil.Process]:
    if server.child is None or server.child.pid is None:
        raise RuntimeError(f"{server.name} does not run")
    first = psutil.Process(server.child.pid)
    return [first, *first.children(recursive=True)]


def _signal(processes: list[psutil.Process], what: signal.Signals) -> None:
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            one.send_signal(what)
