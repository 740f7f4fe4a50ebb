"""Who is called to review at which window: the newest call of each, in memory, for as long as it is worth showing."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec

from producers.devices.device import Device
from producers.gateway.errors import Forbidden
from schemas.events import CaseNo, Code, ServiceNo
from schemas.identifiers import uuid7

SECONDS = 60.0
"""A citizen who has not come to the terminal by then has gone home."""
SPOKEN_FOR = ("dept_code", "hall_code")
"""What a calling device may have set for itself, beside its window."""


class Invitation(msgspec.Struct, omit_defaults=True):
    """A service that was just given, to be reviewed. Nothing of the citizen is in it: others look on."""

    case_no: CaseNo
    service_no: ServiceNo = 1
    dept_code: Annotated[str, msgspec.Meta(max_length=18)] = ""
    hall_code: Code = ""
    item_code: Annotated[str, msgspec.Meta(max_length=36)] = ""
    item_name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    staff_id: Code = ""
    staff_name: Annotated[str, msgspec.Meta(max_length=20, description="as on the name plate")] = ""


class Delivered(msgspec.Struct):
    """Whether a terminal hears it at once."""

    delivered: bool


class Call(msgspec.Struct, frozen=True):
    """One invitation to one window. `until`: seconds of the clock."""

    call_id: str
    invitation: Invitation
    until: float


class Mailbox:
    """Where a terminal finds the newest call; an older one that it has not taken yet is gone."""

    def __init__(self, hall_code: str) -> None:
        self._hall_code = hall_code
        self._calls: asyncio.Queue[Call | None] = asyncio.Queue(maxsize=1)

    def put(self, call: Call) -> bool:
        """Leave a call, unless it is for another hall's window of the same code; whether it was left."""
        hall = call.invitation.hall_code
        if hall and self._hall_code and hall != self._hall_code:
            return False
        if self._calls.full():
            self._calls.get_nowait()
        self._calls.put_nowait(call)
        return True

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to take."""
        return self._calls.empty()

    def wake(self) -> None:
        """Whoever waits for a call waits no longer."""
        if self.is_empty:
            self._calls.put_nowait(None)

    async def take(self, seconds: float) -> Call | None:
        """The next call; None if there is none for so long, or it was woken."""
        try:
            async with asyncio.timeout(seconds):
                return await self._calls.get()
        except TimeoutError:
            return None


class Invitations:
    """For one event loop. `clock`: seconds, never going back. `ended`: nobody is called any more."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.ended = False
        self.loop: asyncio.AbstractEventLoop | None = None
        """In which they listen."""
        self._calls: dict[str, Call] = {}
        self._mailboxes: dict[str, list[Mailbox]] = {}

    def call(self, window: str, invitation: Invitation) -> bool:
        """Call at this window, instead of whom was called before; whether a terminal hears it at once."""
        self._forget()
        call = self._calls[window] = Call(str(uuid7()), invitation, self._clock() + SECONDS)
        return sum(mailbox.put(call) for mailbox in self._mailboxes.get(window, [])) > 0

    def end(self) -> None:
        """Whoever listens has heard everything."""
        self.ended = True
        self._wake()

    def look_again(self) -> None:
        """From any thread: whoever listens is to look whether he still may. Does not block."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for mailboxes in self._mailboxes.values():
            for mailbox in mailboxes:
                mailbox.wake()

    @contextmanager
    def listening(self, window: str, hall_code: str) -> Iterator[Mailbox]:
        """A terminal of this window listens; what was called lately is in its mailbox."""
        self._forget()
        mailbox = Mailbox(hall_code)
        if window in self._calls:
            mailbox.put(self._calls[window])
        self._mailboxes.setdefault(window, []).append(mailbox)
        try:
            yield mailbox
        finally:
            self._mailboxes[window].remove(mailbox)
            if not self._mailboxes[window]:
                del self._mailboxes[window]

    def _forget(self) -> None:
        now = self._clock()
        self._calls = {window: call for window, call in self._calls.items() if call.until > now}


def speak(device: Device, window: str, invitation: Invitation) -> None:
    """Fill in what the invitation leaves out of the caller's place. Raises Forbidden if it calls for another's."""
    if device.kind != "system":
        raise Forbidden("foreign_kind", "device_id", "only a system calls citizens to a terminal")
    if device.window_code not in {"", window}:
        raise Forbidden("foreign_place", "window_code", "the window is not the device's own")
    for field in SPOKEN_FOR:
        own, said = getattr(device, field), getattr(invitation, field)
        if own and said not in {"", own}:
            raise Forbidden("foreign_place", field, f"{field} is not the device's own")
        if own:
            setattr(invitation, field, own)
