"""A TCP proxy on loopback that can cut, slow and forget connections: between workers and their servers."""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TypeVar

T = TypeVar("T")
CHUNK = 65_536
TCP_REPAIR = 19
"""Linux, with CAP_NET_ADMIN: a socket closed in this mode vanishes, as a machine does that loses its power."""
RESET = struct.pack("ii", 1, 0)
FORGET_SECONDS = 12.0
"""Where sockets may not vanish, the connection swallows everything for so long and is reset then."""


class Link:
    """One connection: `near` is the client's side, `far` the server's."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.sides = (near, far)
        self.mute = False

    def reset(self) -> None:
        """End it with RST on both sides."""
        for side in self.sides:
            self._option(side, socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            side.transport.abort()

    def vanish(self) -> bool:
        """End it without a word to either side; false where the system does not allow that."""
        self.mute = True
        try:
            for side in self.sides:
                self._option(side, socket.IPPROTO_TCP, TCP_REPAIR, struct.pack("i", 1))
        except PermissionError:
            return False
        for side in self.sides:
            side.transport.abort()
        return True

    @staticmethod
    def _option(side: asyncio.StreamWriter, level: int, name: int, value: bytes) -> None:
        with suppress(OSError) if level == socket.SOL_SOCKET else suppress(AttributeError):
            side.get_extra_info("socket").setsockopt(level, name, value)


class Proxy:
    """Listens on `port` and passes on to `target`. Start it once; everything else may be called from any thread."""

    def __init__(self, target: int = 0) -> None:
        self.target, self.port = target, 0
        self.delay = 0.0
        self._is_cut = False
        self._links: set[Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, name="proxy", daemon=True)

    def start(self) -> None:
        """Listen. Blocks until it does."""
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread.start()

    def stop(self) -> None:
        """End all connections and listen no longer."""
        self.cut()
        self._do(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Reset every connection and every attempt to make one, until `heal`."""
        self._is_cut = True
        self._each(Link.reset)

    def heal(self) -> None:
        """Let connections be made again, without delay."""
        self._is_cut, self.delay = False, 0.0

    def vanish(self) -> int:
        """Leave every connection half-open: no side is told. New ones work. Returns how many there were."""
        return self._each(self._forget)

    def _each(self, act: Callable[[Link], None]) -> int:
        """Do this to every connection there is, in the loop; returns to how many."""

        def run() -> int:
            links = list(self._links)
            for link in links:
                act(link)
            return len(links)

        return self._do(run)

    def _forget(self, link: Link) -> None:
        if not link.vanish():
            self._loop.call_later(FORGET_SECONDS, link.reset)

    def _do(self, act: Callable[[], T]) -> T:
        async def run() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._is_cut:
                raise ConnectionResetError
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            Link(writer, writer).reset()
            return
        link = Link(writer, far)
        self._links.add(link)
        try:
            await asyncio.gather(self._pass(link, reader, far), self._pass(link, far_reader, writer))
        finally:
            self._links.discard(link)

    async def _pass(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction until its end, which the other side is told."""
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if not link.mute:
                    writer.write(data)
                    await writer.drain()
        if not link.mute:
            writer.close()
