"""What the spool's tests share: records, a clock that is told the time, a spool, a sink that does as it is told."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from producers.spool.high_water import FILE as HIGH_WATER
from producers.spool.record import Record, Row
from producers.spool.sink import Refused, Unsent
from producers.spool.spool import Spool
from producers.spool.tables import FILE, JOURNAL

BEGIN = datetime(2026, 11, 23, 7, 20, tzinfo=UTC)
MIB = 2**20


class Clock:
    """Says what it is set to."""

    def __init__(self) -> None:
        self.at = BEGIN

    def __call__(self) -> datetime:
        return self.at

    def jump(self, **by: float) -> None:
        self.at += timedelta(**by)


def record(
    event_id: str, key: str = "case-1", value: bytes = b'{"satisfaction":5}', digest: str = "d"
) -> Record:
    """An event."""
    headers = [("ce_id", event_id.encode()), ("ce_source", b"/terminal/1"), ("hcp_edge", b"as it was signed")]
    return Record(event_id, digest, "review.v1", key.encode(), headers, value)


def spool(folder: Path, **options: Any) -> Spool:
    """A spool of 64 MiB that keeps what was sent for a day."""
    usual: dict[str, Any] = {"max_bytes": 64 * MIB, "keep_sent": timedelta(days=1)}
    return Spool(folder, **(usual | options))


def fill(into: Spool, *event_ids: str, value: bytes = b'{"satisfaction":5}') -> None:
    """Append these, one commit each, and wait until they are on disk."""
    for event_id in event_ids:
        into.append(record(event_id, value=value)).result(10)


def waiting(of: Spool) -> list[str]:
    """The ids of the rows that wait, in order."""
    return [row.record.event_id for row in of.pending(10_000)]


def crashed(folder: Path, copy: Path) -> Path:
    """What a kill at this moment would leave of the spool that is open in `folder`, as a folder of its own."""
    copy.mkdir()
    for name in (FILE, JOURNAL, HIGH_WATER):
        if (folder / name).exists():
            shutil.copy(folder / name, copy / name)
    return copy


class ToldSink:
    """Acknowledges, unless it is told otherwise. `taken`: the ids of what it acknowledged, in order."""

    most_rows, most_bytes = 100, MIB

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.away = False
        self.refuses: set[str] = set()
        self.closed = 0

    def send(self, rows: Sequence[Row]) -> None:
        if self.away:
            raise Unsent("away")
        refused = {row.seq: "never" for row in rows if row.record.event_id in self.refuses}
        self.taken += [row.record.event_id for row in rows if row.seq not in refused]
        if refused:
            raise Refused(refused)

    def close(self) -> None:
        self.closed += 1
