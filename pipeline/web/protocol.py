"""uvicorn's HTTP protocol, with what it does not bound by itself: heads, requests in a row, callers that keep us waiting."""

from typing import Any

from starlette.responses import PlainTextResponse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.web.places import Places

HEAD_BYTES = 16 * 1024
"""Of a request line with its headers: a signature's, a browser's and the county's proxy's are 3 KiB. nginx takes 8 to 32."""
BETWEEN = len(": \r\n")
IN_A_ROW = 8
"""Requests that may wait for the answer to one before them: each costs 2 kB, and one read of a socket brings thousands."""

_TOO_LARGE = 431
_END = b"connection: close\r\ncontent-length: 0\r\n\r\n"
_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _END
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\n" + _END


class TooManyInARow(Exception):
    """The parser stops, and the connection ends with a 400."""


class BoundedProtocol(HttpToolsProtocol):
    """A connection that has a place, or is told that there is none."""

    def __init__(self, places: Places, **options: Any) -> None:
        super().__init__(**options)
        self._places = places
        self._beside_body = 0
        """Bytes of a request that is not whole yet, without those of its body; while bytes are read, of all that came with them."""
        self._is_whole = False

    def cut(self) -> None:
        """End at once; what is not yet sent is not sent."""
        self.transport.abort()

    def connection_made(self, transport: Any) -> None:
        """Take a place."""
        super().connection_made(transport)
        if not self._places.take(self, self.client[0] if self.client else ""):
            self._end_with(_FULL)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever ended it."""
        self._places.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request: of a head without an end, of chunks that are all frame, so many and no more."""
        self._beside_body += len(data)
        self._is_whole = False
        super().data_received(data)
        if self._is_whole:
            self._beside_body = 0
        elif self._beside_body > HEAD_BYTES and not self.transport.is_closing():
            self._end_with(_HEAD_TOO_LARGE)
        if self.transport.is_closing():  # what it was told it has yet to read
            self._places.waits(self)

    def on_headers_complete(self) -> None:
        """Its head is there: one that came in a single piece is measured here."""
        if len(self.pipeline) >= IN_A_ROW:
            raise TooManyInARow
        if self._beside_body > HEAD_BYTES and self._head_bytes() > HEAD_BYTES:
            self.app = PlainTextResponse(
                "the head of the request is too large\n", _TOO_LARGE, {"connection": "close"}
            )
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._beside_body -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is there, and it is our turn; unless it was answered before."""
        super().on_message_complete()
        self._is_whole = True
        self._work()

    def on_response_complete(self) -> None:
        """It is the caller's turn, unless the next request lies here already."""
        super().on_response_complete()
        if self.cycle.response_complete or self.transport.is_closing():
            self._places.waits(self)

    def pause_writing(self) -> None:
        """The caller does not read."""
        super().pause_writing()
        self._places.waits(self)

    def resume_writing(self) -> None:
        """It reads on."""
        super().resume_writing()
        self._work()

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + BETWEEN for name, value in self.headers)

    def _work(self) -> None:
        """It is our turn, if there is something to do and the caller reads what was done before."""
        if not (self.cycle.response_complete or self.flow.write_paused or self.transport.is_closing()):
            self._places.works(self)

    def _end_with(self, answer: bytes) -> None:
        self.transport.write(answer)
        self.transport.close()
