"""The proxy's own faults: what each side of a connection sees of them."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

import pytest

from tests.faults.proxy import Proxy


def echo(listener: socket.socket) -> None:
    """Send back what comes, until the listener is closed. A forgotten connection is in nobody's way."""
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        Thread(target=answer, args=(peer,), daemon=True).start()


def answer(peer: socket.socket) -> None:
    with peer, suppress(ConnectionResetError):
        while data := peer.recv(1024):
            peer.sendall(data)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=echo, args=(listener,))
        thread.start()
        made = Proxy(listener.getsockname()[1])
        made.start()
        yield made
        made.stop()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@contextmanager
def call(proxy: Proxy) -> Iterator[socket.socket]:
    """A connection that works. Raises ConnectionError if it does not."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as caller:
        caller.sendall(b"hello")
        if caller.recv(1024) != b"hello":
            raise ConnectionAbortedError
        yield caller


def test_a_cut_resets_what_is_and_what_comes_until_it_is_healed(proxy: Proxy) -> None:
    with call(proxy) as caller:
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            caller.recv(1024)
    with pytest.raises(ConnectionError), call(proxy):
        pass
    proxy.heal()
    with call(proxy):
        pass


def test_a_delay_holds_every_message_both_ways(proxy: Proxy) -> None:
    with call(proxy) as caller:
        proxy.delay = 0.1
        began = time.monotonic()
        caller.sendall(b"slow")
        assert caller.recv(1024) == b"slow"
        assert time.monotonic() - began >= 0.2


def test_a_half_open_connection_is_told_nothing_while_new_ones_work(proxy: Proxy) -> None:
    with call(proxy) as caller:
        assert proxy.vanish() == 1
        caller.settimeout(0.2)
        with pytest.raises(TimeoutError):
            caller.recv(1024)
        with call(proxy):
            pass
