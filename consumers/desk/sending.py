"""To the gateway, signed as the device that the settings name: POST /v1/events, one event in binary form."""

import http.client
import ssl
from contextlib import closing
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec

from pipeline.settings import Settings
from pipeline.signing import sign
from schemas.cloudevents import cloud_headers
from schemas.events import ReviewEvent
from schemas.topics import Stream

PATH = "/v1/events"
TIMEOUT_SECONDS = 10.0
"""A person waits; what was typed is shown again, and may be sent again."""


class Receipt(msgspec.Struct):
    """What the gateway says of an event that is on its disk. `seen_before`: it was, already."""

    event_id: str
    received_at: datetime
    seen_before: bool = False


class Refused(Exception):
    """The gateway does not take it. `kind`: of its problem document, `away` if it does not answer; `field`: of the event."""

    def __init__(self, kind: str, field: str = "", reason: str = "") -> None:
        super().__init__(kind)
        self.kind, self.field, self.reason = kind, field, reason


class Problem(msgspec.Struct):
    """What we read of a problem document (RFC 9457)."""

    type: str = ""
    field: str = ""
    reason: str = ""


_encode = msgspec.json.Encoder().encode
_receipt = msgspec.json.Decoder(Receipt).decode
_problem = msgspec.json.Decoder(Problem).decode


class Gateway:
    """The county's gateway, at the address that the settings name. A connection for each event."""

    def __init__(self, settings: Settings) -> None:
        web, parts = settings.web, urlsplit(settings.gateway.url)
        self._sender = (web.hotline_device, web.hotline_key, web.hotline_secret_bytes)
        self._host, self._target, self._tls = parts.netloc, parts.path + PATH, parts.scheme == "https"

    @property
    def knows_us(self) -> bool:
        """Whether the settings say as whom to sign."""
        return bool(self._sender[0])

    def send(self, event: ReviewEvent) -> Receipt:
        """It is on the gateway's disk when this returns. Blocks for a while. Raises Refused."""
        body = _encode(event)
        headers = sign(*self._sender, "POST", self._target, body, self._headers(event))
        try:
            with closing(self._connection()) as connection:
                connection.request("POST", self._target, body, headers)
                response = connection.getresponse()
                return _read(response.status, response.read())
        except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
            raise Refused("away") from error

    def _headers(self, event: ReviewEvent) -> dict[str, str]:
        """The event's attributes. Its subject, a case number, stays out of them."""
        source, at = f"/system/{self._sender[0]}", event.submitted_at.isoformat()
        told = cloud_headers(str(event.event_id), Stream.REVIEW, source, at, "")
        return {name.replace("_", "-"): value.decode() for name, value in told.items() if value}

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, timeout=TIMEOUT_SECONDS, context=context)
        return http.client.HTTPConnection(self._host, timeout=TIMEOUT_SECONDS)


def _read(status: int, body: bytes) -> Receipt:
    if status == HTTPStatus.ACCEPTED:
        return _receipt(body)
    try:
        problem = _problem(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem = Problem()
    raise Refused(problem.type.rpartition(":")[2] or str(status), problem.field, problem.reason)
