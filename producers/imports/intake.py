"""What becomes of each row: an event to publish, the same event once more, or none. Every row is counted once."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from pipeline.sealing import Sealer
from producers.errors import Unmapped
from producers.imports.ahead import Ahead
from producers.imports.identity import seal
from producers.imports.inspecting import Inspection, said
from producers.imports.kinds import Event
from producers.imports.listing import Listing
from producers.imports.mapping import Mapping
from schemas.events import CaseEvent

NOTHING_AHEAD = Ahead()
_AGAIN = "与前面的行相同，不再发送"
_OTHERS = "这个办件编号许多办件共用，不与别人的办件、评价相连"


class Lists(NamedTuple):
    """For officers: the rows that are no events, and those that are, but with something to mend."""

    refused: Listing
    remarks: Listing

    def safe(self) -> None:
        """Wait until both are on disk. Blocks."""
        self.refused.safe()
        self.remarks.safe()


@contextmanager
def lists(folder: Path, name: str, mapping: Mapping) -> Iterator[Lists]:
    """The two lists of an import called `name`, put in their places at the end."""
    with (
        Listing(folder / f"{name}.errors.csv", mapping.personal) as refused,
        Listing(folder / f"{name}.remarks.csv", mapping.personal) as remarks,
    ):
        yield Lists(refused, remarks)


class Counts(Struct):
    """Rows, and where they went: `mapped` + `repeated` + `unmapped` = `rows`. Of the mapped, `shared` had a shared number."""

    rows: int = 0
    mapped: int = 0
    repeated: int = 0
    unmapped: int = 0
    shared: int = 0


class Intake:
    """Takes the rows of one file, or one poll, in their order.

    `ahead`: what a look at all rows has shown. `sealer` is needed if the mapping reads identities.
    """

    def __init__(
        self,
        mapping: Mapping,
        listed: Lists,
        received_at: datetime,
        *,
        shift: timedelta = timedelta(),
        ahead: Ahead = NOTHING_AHEAD,
        sealer: Sealer | None = None,
    ) -> None:
        self.counts = Counts()
        self.inspection = Inspection(mapping.promise)
        self._mapping, self._lists, self._sealer = mapping, listed, sealer
        self._received_at, self._shift, self._ahead = received_at, shift, ahead
        self._seen: set[str] = set()

    def refuse(self, number: int, column: str, message: str, row: dict[str, str]) -> None:
        """A row that is no event, and why."""
        self.counts.rows += 1
        self.counts.unmapped += 1
        self._lists.refused.add(number, column, message, row)

    def take(self, number: int, row: dict[str, str], ordinal: int) -> Event | None:
        """The event to publish; None if there is nothing to send. `number`: the row's line in the sheet."""
        try:
            event = self._mapping.read(row, ordinal, self._received_at, self._shift, self._ahead.shared)
        except Unmapped as unmapped:
            self.refuse(number, unmapped.column, unmapped.message, row)
            return None
        self.counts.rows += 1
        if str(event.event_id) in self._seen:
            self.counts.repeated += 1
            self._lists.remarks.add(number, "", _AGAIN, row)
            return None
        self._seen.add(str(event.event_id))
        self.counts.mapped += 1
        self._remark(number, row, ordinal, event)
        return event

    def _remark(self, number: int, row: dict[str, str], ordinal: int, event: Event) -> None:
        """Judge a case, seal a reviewer, and list what an officer should mend."""
        remarks = ""
        if isinstance(event, CaseEvent):
            repeated = self._mapping.key(row, ordinal) in self._ahead.repeated
            remarks = said(self.inspection.judge(row, event, self._shift, repeated=repeated))
        elif self._sealer is not None:
            seal(event, self._sealer, self._received_at)
        if self._mapping.is_shared(row, self._ahead.shared):
            self.counts.shared += 1
            remarks = remarks if isinstance(event, CaseEvent) else _OTHERS
        if remarks:
            self._lists.remarks.add(number, "", remarks, row)
