"""One poll after the other: what is new is published, and the position moves after the acknowledgement.

A kill at any moment repeats rows and loses none: their event ids are made of their cells, so the repeats are duplicates.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Event as Flag
from typing import NamedTuple

from pipeline.rules.policy import COUNTY_ZONE
from pipeline.settings import Settings
from producers.errors import CannotImportError
from producers.imports.ahead import STRANGERS, Ahead
from producers.imports.alone import alone
from producers.imports.cases import ROWS_A_FLUSH, folder_of
from producers.imports.database.cursor import Cursor, Type
from producers.imports.database.position import Position
from producers.imports.database.query import Query, Row, Snapshot
from producers.imports.identity import sealer_of
from producers.imports.intake import Intake, Lists, lists
from producers.imports.kinds import Event
from producers.imports.listing import Journal
from producers.imports.mapping import Mapping
from producers.imports.report import Report
from producers.imports.sink import Connect, Sink
from producers.publish import publisher

_A_DAY = timedelta(days=1)
_CLOCKS = timedelta(minutes=5)
"""So far two clocks may differ without anybody being told."""
_UNREADABLE = "内容无法识别：时间超出公元 1 至 9999 年，或不是有限的数，或不是 UTF-8 文字"


class Polled(NamedTuple):
    """What came of a poll. `without_cursor`: rows that cannot be read, because they have no place in the order. `ahead`: rows
    that were read and have one in the future. `anew`: whether everything was read again, because the position was in the future.
    """

    report: Report
    without_cursor: int
    ahead: int = 0
    anew: bool = False

    def lines(self) -> list[str]:
        """For the screen."""
        said = {
            f"{self.without_cursor:,} rows of the query have no cursor value and are not read": self.without_cursor,
            f"{self.ahead:,} rows have a cursor value in the future: they are read, but the position stays before them, so "
            "that later rows are found; correct them": self.ahead,
            "the position was in the future, and later rows may have been passed over: everything was read again": self.anew,
        }
        return [*self.report.lines(), *(line for line, rows in said.items() if rows)]


class Poller:
    """Reads one source, one poll at a time. `overlap`: how far each poll reads back, for what was committed late.

    `stop`: when it is set, a poll ends after the rows that are acknowledged.
    """

    def __init__(
        self,
        settings: Settings,
        mapping: Mapping,
        query: Query,
        position: Position,
        *,
        overlap: int = 0,
        dry_run: bool = False,
        stop: Flag | None = None,
        connect: Connect = publisher,
    ) -> None:
        if mapping.counts_rows:
            raise CannotImportError(
                f"{mapping.name} numbers the services of a case by its rows, and a poll sees only some of them: "
                "give service_no a column"
            )
        self._settings, self._mapping, self._query, self._position = settings, mapping, query, position
        self._overlap, self._dry_run, self._connect = overlap, dry_run, connect
        self._stop = stop or Flag()
        self._sealer = sealer_of(settings.seal) if mapping.personal else None

    def poll(self) -> Polled:
        """Publish what is new. Blocks. Raises SourceAwayError, NotPublishedError, CannotImportError.

        1. In one snapshot: rows without a place in the order, and case numbers that strangers share.
        2. The rows from the position on, those that are not acknowledged yet, each judged and sent.
        3. Every so many rows: wait for the acknowledgements and for the lists, and only then move the position.
        """
        now = datetime.now(UTC)
        with self._query.snapshot() as snapshot, self._lists(now) as listed:
            without = snapshot.without_cursor()  # 1
            anew = self._position.leave_future(now + _A_DAY)
            shared = self._shared(snapshot)
            intake = Intake(self._mapping, listed, now, ahead=Ahead(shared), sealer=self._sealer)
            self._ahead = 0
            published = self._publish(snapshot, intake, listed, now)
            return Polled(self._report(intake, listed, published), without, self._ahead, anew)

    @contextmanager
    def _lists(self, now: datetime) -> Iterator[Lists]:
        """A day's lists lie beside the position: a row that was told is not read again."""
        folder, name = self._position.file.parent, f"{now.astimezone(COUNTY_ZONE):%Y%m%d}"
        if self._dry_run:
            with lists(folder, "dry-run", self._mapping) as listed:
                yield listed
            return
        with (
            Journal(folder / f"{name}.errors.csv", self._mapping.personal) as refused,
            Journal(folder / f"{name}.remarks.csv", self._mapping.personal) as remarks,
        ):
            yield Lists(refused, remarks)

    def _shared(self, snapshot: Snapshot) -> frozenset[str]:
        """A poll may see one stranger at a time, so those of earlier polls are remembered."""
        keep = not self._dry_run
        with closing(snapshot.rows(self._since())) as rows:
            fresh = self._position.strangers(self._told(rows), STRANGERS, keep=keep)
        found = fresh | self._position.shared
        if keep:
            self._position.share(found)
        return found

    def _told(self, rows: Iterator[Row]) -> Iterator[tuple[str, bytes, bytes]]:
        for place, row in enumerate(rows):
            if place == 0:
                self._mapping.check_columns(row.cells)
            number = self._mapping.case_no(row.cells)
            if number and not self._mapping.is_placeholder(number):
                service, application = self._mapping.key(row.cells, 1), self._mapping.application(row.cells)
                yield number, _digest(service), _digest(application)

    def _since(self) -> Cursor | None:
        return self._position.upto and self._position.upto.back(self._overlap)

    def _publish(self, snapshot: Snapshot, intake: Intake, listed: Lists, now: datetime) -> int:
        published, batch = 0, list[Row]()
        with ExitStack() as stack:
            sink: Sink | None = None
            for row in stack.enter_context(closing(snapshot.rows(self._since()))):  # 2
                if self._position.has(row.key):
                    continue
                event = self._event(intake, row)
                self._ahead += bool(row.cursor and row.cursor.is_ahead(now + _CLOCKS))
                if event is not None and not self._dry_run:
                    sink = sink or stack.enter_context(self._connect(self._settings))
                    sink.send(event, f"/import/{self._mapping.name}")
                    published += 1
                batch.append(row)
                if len(batch) == ROWS_A_FLUSH:
                    self._settle(sink, batch, listed, now)  # 3
                    if self._stop.is_set():
                        return published
            self._settle(sink, batch, listed, now)
        return published

    def _event(self, intake: Intake, row: Row) -> Event | None:
        number = intake.counts.rows + 1
        needed = {*self._mapping.wanted, self._query.cursor}
        if wrong := [column for column in row.unreadable if column in needed]:
            intake.refuse(number, "、".join(wrong), _UNREADABLE, row.cells)
            return None
        return intake.take(number, row.cells, 1)

    def _settle(self, sink: Sink | None, batch: list[Row], listed: Lists, now: datetime) -> None:
        """The position moves when everything before it is safe; the other way round a kill in between would lose rows.

        It never moves into the future: rows there are remembered one by one.
        """
        if self._dry_run or not batch:
            return
        if sink is not None:
            sink.flush()
        listed.safe()
        upto = self._position.upto
        for row in batch:
            if row.cursor and not row.cursor.is_ahead(now):
                upto = row.cursor.at_least(upto)  # a row that was committed late lies before it
        self._position.save(((row.key, _remembered(row, now)) for row in batch), upto, self._overlap)
        batch.clear()

    def _report(self, intake: Intake, listed: Lists, published: int) -> Report:
        return Report(
            name=self._mapping.name,
            counts=intake.counts,
            published=published,
            earlier=0,
            summary=intake.inspection.summary(),
            errors=listed.refused.placed,
            remarks=listed.remarks.placed,
            dry_run=self._dry_run,
        )


def _remembered(row: Row, now: datetime) -> Cursor | None:
    """Until when the row is remembered. Only the database can compare texts, so one in the future is for good."""
    if row.cursor and row.cursor.type is Type.TEXT and row.cursor.is_ahead(now):
        return None
    return row.cursor


def _digest(cells: tuple[str, ...]) -> bytes:
    """The same in every process."""
    return sha256(repr(cells).encode()).digest()[:8]


@contextmanager
def position_of(settings: Settings, mapping: Mapping, query: Query) -> Iterator[Position]:
    """Where this source stands, for one process at a time. Raises CannotImportError, DamagedError."""
    digest = sha256(f"{mapping.name} {query.name}".encode()).hexdigest()[:16]
    folder = folder_of(settings) / f"database-{mapping.name}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with alone(folder):
        position = Position(folder / "position.sqlite")
        try:
            yield position
        finally:
            position.close()
