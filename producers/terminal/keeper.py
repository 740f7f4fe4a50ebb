"""Keeping reviews: number, chain and spool move together, whatever interrupts them.

The spool cannot store the chain's head in the transaction of an event. So the head is written first, with the event that
made it; the event follows into the spool; then the head is written without it. Whoever finds a head with an event brings
that very event into the spool before anything else: nothing is numbered twice, and no number is left out.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pipeline.clock import utc_now
from producers import state
from producers.spool.errors import SpoolFull
from producers.spool.record import Record
from producers.spool.spool import Spool
from producers.terminal.chain import Head, linked
from producers.terminal.enrolment import Enrolment
from producers.terminal.review import review_of
from schemas.cloudevents import cloud_headers, key_of
from schemas.events import ReviewEvent
from schemas.reading import digest
from schemas.topics import Stream

FILE = "chain.json"


class Kept(NamedTuple):
    """A review that is on this disk."""

    event_id: str
    device_seq: int


class Standing(msgspec.Struct, frozen=True):
    """What `chain.json` holds. `event`: what has to be in the spool before the chain goes on."""

    device_id: str
    head: Head = Head()
    event: bytes = b""


class Keeper:
    """For one thread; the spool's lock keeps other processes away. Raises DamagedError."""

    def __init__(
        self, folder: Path, enrolment: Enrolment, spool: Spool, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._file, self._enrolment, self._spool, self._clock = folder / FILE, enrolment, spool, clock
        self._standing = standing(folder, enrolment.device_id)

    def keep(self, said: Mapping[str, Any]) -> Kept:
        """Keep what was said as the chain's next event; it is on disk when this returns. Blocks.

        Said again under an `event_id` that the spool still has, it is not kept again.
        Raises Invalid; SpoolFull, and then nothing has changed; SpoolBroken, and then it may be kept when it is opened again.
        """
        self.settle()
        received = review_of(self._enrolment, said, self._clock())
        before = self._spool.record(received.event_id)
        if before is not None:
            return Kept(received.event_id, _seq(before))
        body, head = linked(self._standing.head, received.event)
        self._advance(head, body)
        return Kept(received.event_id, head.seq)

    def settle(self) -> None:
        """Bring what was interrupted into the spool. Blocks; raises SpoolFull, SpoolBroken."""
        if self._standing.event:
            self._spool.append(self._record(self._standing.event)).result()
            with suppress(OSError):  # it is kept: that the head says so can wait for the next time
                self._write(Standing(self._enrolment.device_id, self._standing.head))

    def _advance(self, head: Head, body: bytes) -> None:
        """1. The head, with its event. 2. The event. 3. The head alone; or, if there is no room, the one before."""
        before = self._standing
        self._write(Standing(self._enrolment.device_id, head, body))
        try:
            self.settle()
        except SpoolFull:
            with suppress(OSError):  # a disk that is full: the event comes into the spool when there is room
                self._write(before)
            raise

    def _record(self, body: bytes) -> Record:
        event = msgspec.json.decode(body, type=ReviewEvent)
        key, event_id = key_of(event), str(event.event_id)
        source, time = f"/terminal/{self._enrolment.device_id}", event.submitted_at.isoformat()
        headers = cloud_headers(event_id, Stream.REVIEW, source, time, key)
        return Record(event_id, digest(event), Stream.REVIEW.value, key.encode(), list(headers.items()), body)

    def _write(self, standing: Standing) -> None:
        state.write(self._file, standing)
        self._standing = standing


def standing(folder: Path, device_id: str) -> Standing:
    """Where the chain of this device stands; another device's is not gone on with. Blocks. Raises DamagedError."""
    found = state.read(folder / FILE, Standing)
    return found if found and found.device_id == device_id else Standing(device_id)


def _seq(record: Record) -> int:
    return msgspec.json.decode(record.value, type=ReviewEvent).device_seq or 0
