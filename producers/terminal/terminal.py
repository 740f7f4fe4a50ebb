"""A terminal at work: its spool, its keeper, and the thread that sends what waits whenever the net is there."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from producers.errors import InputError
from producers.spool.errors import SpoolError, SpoolFull
from producers.spool.forwarder import Forwarder
from producers.spool.http_sink import HttpSink
from producers.spool.reading import Counts, Reading
from producers.spool.record import from_ms
from producers.spool.spool import Spool
from producers.spool.tables import FILE as SPOOL_FILE
from producers.terminal.enrolment import Enrolment, NotEnrolledError, keep, kept
from producers.terminal.keeper import Keeper, standing
from schemas.events import Reason
from schemas.reading import Invalid

SPOOL = "spool"
SPOOL_BYTES = 256 * 2**20
"""About 200,000 reviews: years of one window's."""
KEEP_SENT = timedelta(days=1)
TIMEOUT_SECONDS = 10.0
LOOK_SECONDS = 0.05


class StillWaitingError(InputError):
    """A folder whose reviews only another device can send."""


class Terminal(NamedTuple):
    """`keeper` takes reviews, `forwarder` sends them in its thread, `spool` knows what waits."""

    spool: Spool
    keeper: Keeper
    forwarder: Forwarder

    def sent_within(self, seconds: float) -> int:
        """How many reviews wait when all are sent or the time is over. Blocks."""
        deadline = time.monotonic() + seconds
        while (waiting := self.spool.stats().pending) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        return waiting


def enrol(folder: Path, enrolment: Enrolment) -> None:
    """Be this device from now on. Blocks. Raises StillWaitingError as `may_be`."""
    may_be(folder, enrolment.device_id)
    keep(folder, enrolment)


def may_be(folder: Path, device_id: str) -> None:
    """Raises StillWaitingError while reviews of another device wait here. Blocks."""
    with suppress(NotEnrolledError):
        before = status(folder)
        if before.waiting and before.device_id != device_id:
            raise StillWaitingError(
                f"reviews of {before.device_id} wait in {folder} ({before.waiting}): `hcp terminal run` sends them; "
                "or use another --folder"
            )


@contextmanager
def opened(folder: Path) -> Iterator[Terminal]:
    """The terminal of this folder; it sends until it is left. Raises NotEnrolledError, SpoolTaken, DamagedError, DeviceError."""
    enrolment = kept(folder)
    sink = HttpSink(enrolment.gateway, enrolment.sender, TIMEOUT_SECONDS)
    with Spool(folder / SPOOL, max_bytes=SPOOL_BYTES, keep_sent=KEEP_SENT) as spool:
        keeper, forwarder = Keeper(folder, enrolment, spool), Forwarder(spool, sink)
        with suppress(SpoolFull):  # sending makes room
            keeper.settle()
        forwarder.start()
        try:
            yield Terminal(spool, keeper, forwarder)
        finally:
            forwarder.stop(TIMEOUT_SECONDS + 1)


def answer(keeper: Keeper, line: bytes) -> dict[str, Any]:
    """What a program is told that said this line of JSON: where its review stands, or why there is none. Blocks."""
    try:
        return keeper.keep(_said(line))._asdict()
    except Invalid as error:
        return {"error": error.reason, "message": error.message}
    except (SpoolError, OSError) as error:
        return {"error": "not_kept", "message": str(error)}


def _said(line: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Invalid(Reason.NOT_JSON, "the line is not one JSON object in UTF-8") from None


class Status(msgspec.Struct):
    """A terminal as it stands, for people. `refused`: why, by the event's id."""

    gateway: str
    window_code: str
    device_id: str
    device_seq: int
    waiting: int
    oldest: datetime | None
    refused: dict[str, str]


def status(folder: Path) -> Status:
    """Looks without holding it up. Blocks for a moment. Raises NotEnrolledError, DamagedError."""
    enrolment = kept(folder)
    chain = standing(folder, enrolment.device_id)
    counts, oldest, refused = _spooled(folder / SPOOL)
    return Status(
        enrolment.gateway,
        enrolment.window_code,
        enrolment.device_id,
        chain.head.seq,
        counts.pending + bool(chain.event),
        from_ms(oldest) if oldest else None,
        refused,
    )


def _spooled(folder: Path) -> tuple[Counts, int | None, dict[str, str]]:
    if not (folder / SPOOL_FILE).exists():
        return Counts(0, 0, 0), None, {}
    reading = Reading(folder)
    try:
        refused = {row.event_id: row.reason for row in reading.refused()}
        return reading.counts(), reading.oldest(), refused
    finally:
        reading.close()
