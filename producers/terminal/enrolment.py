"""Who a terminal is: the link that `hcp device add` prints, and what a terminal keeps of what it gets for it.

A link is `<gateway>/terminal/<window>#device=…&ticket=…`. What follows the # is not sent to any server; the ticket is
exchanged for the device's key at `<gateway>/terminal/enrol`.
"""

import time
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit
from urllib.request import Request, urlopen

import msgspec

from producers import state
from producers.devices.managing import NewKey, decode
from producers.devices.tickets import PATH, Enrolled
from producers.errors import InputError
from producers.spool.http_sink import Sender
from schemas.codes import Channel

FILE = "device.json"
_PAGE = "/terminal/"
TRIES, AGAIN_SECONDS, TIMEOUT_SECONDS = 10, 1.0, 10.0
_REFUSED = "the gateway does not take this enrolment link: it works once, and for 15 minutes; hcp device rotate prints another"


class NotEnrolledError(InputError):
    """A terminal that does not know who it is."""


class Enrolment(msgspec.Struct, frozen=True):
    """What `device.json` holds. `secret` is in clear: the file is readable by its owner alone."""

    gateway: str
    window_code: str
    device_id: str
    key_id: str
    secret: str
    channel: Channel

    @property
    def sender(self) -> Sender:
        """Who signs. Raises DeviceError for a damaged secret."""
        return Sender(self.device_id, self.key_id, decode(self.secret))


class Link(NamedTuple):
    """What an enrolment link says."""

    gateway: str
    window_code: str
    device_id: str
    ticket: str


def link(gateway: str, window: str, key: NewKey) -> str:
    """What a terminal is enrolled with. `gateway`: its URL, without a slash at the end."""
    fragment = urlencode({"device": key.device_id, "ticket": key.ticket})
    return f"{gateway}{_PAGE}{quote(window, safe='')}#{fragment}"


def read_link(text: str) -> Link:
    """The other way round. Raises NotEnrolledError for what is no such link."""
    try:
        parts = urlsplit(text.strip())
        said = {name: values[0] for name, values in parse_qs(parts.fragment).items()}
        gateway, _, window = f"{parts.scheme}://{parts.netloc}{parts.path}".rpartition(_PAGE)
        found = Link(gateway, unquote(window), said["device"], said["ticket"])
    except (KeyError, ValueError):
        raise NotEnrolledError("this is no enrolment link: hcp device add prints one") from None
    if parts.scheme not in {"http", "https"} or not gateway or not window:
        raise NotEnrolledError("this is no enrolment link: it begins with http and names a window")
    return found


def exchange(link: Link, channel: Channel) -> Enrolment:
    """Use the link up: it works once. Blocks for some seconds at most. Raises NotEnrolledError."""
    request = Request(  # noqa: S310  `read_link` holds it to http(s)
        link.gateway + PATH, b"", {"Authorization": f"Bearer {link.ticket}"}, method="POST"
    )
    for _ in range(TRIES):
        try:
            with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  the same
                given = msgspec.json.decode(answer.read(), type=Enrolled)
            return Enrolment(
                link.gateway, link.window_code, given.device_id, given.key_id, given.secret, channel
            )
        except HTTPError as error:
            error.close()
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise NotEnrolledError(_REFUSED) from None
        except (OSError, msgspec.MsgspecError):
            raise NotEnrolledError(
                f"{link.gateway} does not answer as a gateway does: the link still works, try again"
            ) from None
        time.sleep(AGAIN_SECONDS)  # it was registered a moment ago
    raise NotEnrolledError(f"{link.gateway} does not know the device yet: try again")


def keep(folder: Path, enrolment: Enrolment) -> None:
    """Write it, with mode 0600. Blocks."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state.write(folder / FILE, enrolment)


def kept(folder: Path) -> Enrolment:
    """What was written. Raises NotEnrolledError, DamagedError."""
    found = state.read(folder / FILE, Enrolment)
    if found is None:
        raise NotEnrolledError(f"there is no terminal in {folder}: hcp terminal enrol")
    return found
