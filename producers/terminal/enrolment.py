"""Who a terminal is: the link that `hcp device add` prints, and what a terminal keeps of it.

A link is `<gateway>/terminal/<window>#device=…&key=…&secret=…`. What follows the # is not sent to any server.
"""

from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

import msgspec

from producers import state
from producers.devices.managing import NewKey, decode
from producers.errors import DeviceError, InputError
from producers.spool.http_sink import Sender
from schemas.codes import Channel

FILE = "device.json"
_PAGE = "/terminal/"


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


def link(gateway: str, window: str, key: NewKey) -> str:
    """What a terminal is enrolled with. `gateway`: its URL, without a slash at the end."""
    fragment = urlencode({"device": key.device_id, "key": key.key_id, "secret": key.secret})
    return f"{gateway}{_PAGE}{quote(window, safe='')}#{fragment}"


def read_link(text: str, channel: Channel) -> Enrolment:
    """The other way round. Raises NotEnrolledError for what is no such link."""
    try:
        parts = urlsplit(text.strip())
        said = {name: values[0] for name, values in parse_qs(parts.fragment).items()}
        gateway, _, window = f"{parts.scheme}://{parts.netloc}{parts.path}".rpartition(_PAGE)
        made = Enrolment(gateway, unquote(window), said["device"], said["key"], said["secret"], channel)
        made.sender  # noqa: B018  a damaged secret is told now
    except (KeyError, ValueError, DeviceError):
        raise NotEnrolledError("this is no enrolment link: hcp device add prints one") from None
    if parts.scheme not in {"http", "https"} or not gateway or not window:
        raise NotEnrolledError("this is no enrolment link: it begins with http and names a window")
    return made


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
