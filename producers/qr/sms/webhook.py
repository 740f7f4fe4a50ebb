"""Handing a message to the county's sender: one POST, taken or not."""

import http.client
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import msgspec

from producers.spool.http_sink import PASSING

TIMEOUT_SECONDS = 5.0


class NotTaken(Exception):
    """Try again later. The message says status or kind of error, never a number or a link."""


class Refused(Exception):
    """It will not be taken, whenever it is sent. The message says the status."""


class Message(msgspec.Struct):
    """What the webhook gets, as JSON. `id` is the same at every try: a message of an id already sent is not sent again."""

    id: str
    phone: str
    url: str
    text: str


class _Stays(HTTPRedirectHandler):
    """A redirect would carry the number to where nobody has set it to go."""

    def redirect_request(self, *_: object) -> None:
        """Not followed."""


_opener = build_opener(_Stays())


def post(webhook: str, message: Message) -> None:
    """Hand it over. Blocks for seconds at most. Raises NotTaken, Refused."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": message.id}
    request = Request(webhook, msgspec.json.encode(message), headers, method="POST")  # noqa: S310  settings hold it to http(s)
    try:
        with _opener.open(request, timeout=TIMEOUT_SECONDS):
            return
    except HTTPError as error:
        error.close()
        never = 400 <= error.code < 500 and error.code not in PASSING
        raise (Refused if never else NotTaken)(f"status {error.code}") from None
    except (URLError, OSError, http.client.HTTPException) as error:
        raise NotTaken(type(getattr(error, "reason", error)).__name__) from None
