"""The ticket of an enrolment link: the gateway gives the device's secret for it, once, within fifteen minutes.

It is sealed, so it says nothing to who sees the link, and needs no table: when it ends stands in it, and that it was used is
remembered as the nonce of a request is.
"""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from pipeline.sealing import CannotOpen, Sealer

PATH = "/terminal/enrol"
"""Where the gateway takes it."""
LASTS = timedelta(minutes=15)
MOST = 512
"""Characters; ours have 200 with the longest names."""
_ABOUT = "enrolment"


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """For which key of which device it is. `expires`: Unix seconds."""

    ticket_id: str
    device_id: str
    key_id: str
    expires: int


class Enrolled(msgspec.Struct):
    """What is given for a ticket. `secret` is base64url, without padding."""

    device_id: str
    key_id: str
    secret: str


class TicketBad(ValueError):
    """No ticket of ours: damaged, forged, or sealed with a key that was taken away."""


class TicketExpired(ValueError):
    """A ticket of ours whose time is over."""


class Tickets:
    """Makes and reads tickets. Does not block."""

    def __init__(self, sealer: Sealer, clock: Callable[[], datetime]) -> None:
        self._sealer, self._clock = sealer, clock

    def make(self, device_id: str, key_id: str) -> str:
        """A new ticket for this key, good from now on."""
        expires = int((self._clock() + LASTS).timestamp())
        ticket = Ticket(secrets.token_urlsafe(12), device_id, key_id, expires)
        return self._sealer.seal(msgspec.msgpack.encode(ticket), _ABOUT)

    def read(self, text: str) -> Ticket:
        """What it says. Raises TicketBad, TicketExpired."""
        if len(text) > MOST or not text.isascii():
            raise TicketBad("it is no ticket of ours")
        try:
            ticket = msgspec.msgpack.decode(self._sealer.open(text, _ABOUT), type=Ticket)
        except (CannotOpen, msgspec.MsgspecError):
            raise TicketBad("it is no ticket of ours") from None
        if self._clock().timestamp() >= ticket.expires:
            raise TicketExpired("its time is over")
        return ticket
