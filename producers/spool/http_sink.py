"""Into a gateway, over HTTP: the spool of a terminal. Signed batches of CloudEvents, of which each event is answered on its own."""

import http.client
import ssl
from collections.abc import Sequence
from contextlib import closing
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from pipeline.signing import sign
from producers.spool.record import Record, Row
from producers.spool.sink import Refused, Unsent

PATH = "/v1/events"
MEDIA_TYPE = "application/cloudevents-batch+json"
TIMEOUT_SECONDS = 30.0
PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""Of the refusals of a single event those that time alone changes."""
CE = "ce_"

_encode = msgspec.json.Encoder().encode


class Sender(NamedTuple):
    """Who sends, as the gateway's registry knows it."""

    device_id: str
    key_id: str
    secret: bytes


class Told(msgspec.Struct):
    """What the gateway says of one event. The kind of a problem is the last part of its `type`."""

    status: int
    problem: dict[str, Any] | None = None

    @property
    def taken(self) -> bool:
        """Whether it is on the gateway's disk."""
        return self.status == HTTPStatus.ACCEPTED

    @property
    def never(self) -> bool:
        """Whether it will not be taken, whenever it is sent."""
        return 400 <= self.status < 500 and self.status not in PASSING

    @property
    def why(self) -> str:
        """The problem's kind and rule, never a value."""
        problem = self.problem or {}
        kind = str(problem.get("type", "")).rpartition(":")[2]
        return " ".join(str(part) for part in (self.status, kind, problem.get("detail", "")) if part)


class Answer(msgspec.Struct):
    """What it says of a batch, in its order."""

    results: list[Told]


_answer = msgspec.json.Decoder(Answer).decode


class HttpSink:
    """Sends to the gateway at `url` (http or https), a connection for each batch."""

    most_rows = 500
    most_bytes = 512 * 1024

    def __init__(self, url: str, sender: Sender, timeout: float = TIMEOUT_SECONDS) -> None:
        parts = urlsplit(url)
        self._host, self._target = parts.netloc, parts.path.rstrip("/") + PATH
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._sender, self._timeout = sender, timeout

    def send(self, rows: Sequence[Row]) -> None:
        """Send them as one batch; all are on the gateway's disk when it returns. Blocks. Raises Unsent, Refused."""
        told = self._post(b"[" + b",".join(structured(row.record) for row in rows) + b"]")
        if len(told) != len(rows):
            raise Unsent(f"the gateway answered {len(told)} of {len(rows)} events")
        if waiting := [one for one in told if not (one.taken or one.never)]:
            raise Unsent(f"the gateway: {waiting[0].why}")
        if never := {row.seq: one.why for row, one in zip(rows, told, strict=True) if one.never}:
            raise Refused(never)

    def close(self) -> None:
        """Nothing stays open between two batches."""

    def _post(self, body: bytes) -> list[Told]:
        headers = sign(*self._sender, "POST", self._target, body, {"content-type": MEDIA_TYPE})
        try:
            with closing(self._connection()) as connection:
                connection.request("POST", self._target, body, headers)
                response = connection.getresponse()
                return _results(response, response.read())
        except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
            raise Unsent(f"the gateway: {type(error).__name__}") from error

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, timeout=self._timeout)
        return http.client.HTTPSConnection(self._host, timeout=self._timeout, context=self._tls)


def structured(record: Record) -> bytes:
    """A record as one event of a batch; its value is in it byte for byte."""
    attributes = {
        name.removeprefix(CE): value.decode() for name, value in record.headers if name.startswith(CE)
    }
    event = attributes | {"datacontenttype": "application/json", "data": msgspec.Raw(record.value)}
    return _encode(event)


def _results(response: http.client.HTTPResponse, body: bytes) -> list[Told]:
    if response.status in {HTTPStatus.ACCEPTED, HTTPStatus.MULTI_STATUS}:
        return _answer(body).results
    wait = response.getheader("retry-after", "")
    raise Unsent(
        f"the gateway: {response.status} {_kind(body)}".rstrip(), int(wait) if wait.isdecimal() else 0
    )


def _kind(body: bytes) -> str:
    """The kind of problem that a refusal of the whole batch names, if it is one of ours."""
    try:
        return Told(0, msgspec.json.decode(body, type=dict[str, Any])).why
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
