"""One batch, one transaction: position, effects, fates, outbox, or nothing of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from msgspec.structs import asdict
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from pipeline.ledger import tables
from pipeline.ledger.copying import insert
from pipeline.ledger.decode import EPOCH, VERSION, DeadLetter, Decoded, appended_at, dead_letter, decode
from pipeline.ledger.failures import Failure, classify
from pipeline.ledger.held import hold
from pipeline.ledger.outbox import dead_letter_row, headers_json, told
from pipeline.ledger.portion import Portion
from pipeline.ledger.positions import Position, TopicPartition, advance, lock
from pipeline.ledger.write import write
from pipeline.rules import fold as rules
from pipeline.rules.fold import Arrival, FateCounts, count
from pipeline.rules.policy import Policy
from pipeline.rules.records import Fate
from pipeline.sealing import Sealer
from schemas.events import Reason

Effects = Callable[[Cursor, list[Decoded]], tuple[FateCounts, list[Decoded]]]


@dataclass(slots=True)
class Folded:
    """What a transaction did: how many records of each fate, and from where partitions with a gap must be read again."""

    fates: FateCounts
    seeks: dict[TopicPartition, int] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """How many records were folded."""
        return sum(sum(counts.values()) for counts in self.fates.values())


@dataclass(slots=True)
class Folder:
    """Folds into one ledger. `stripe`: which rows of the counters are this worker's. `tells`: whether it fills the outbox.

    `signed_since`: as `decode` needs it, the same for every folder of a database (`pipeline.ledger.received`).
    """

    policy: Policy
    sealer: Sealer
    stripe: int = 0
    write: Callable[[Cursor, rules.Changes, int], None] = write
    tells: bool = True
    signed_since: datetime = EPOCH

    def decode(self, portion: Portion, stepped_over: Mapping[int, str] = MappingProxyType({})) -> Decoded:
        """Read a portion, so that it can be folded here."""
        return decode(portion, self.sealer, stepped_over, self.signed_since)

    def fold(self, connection: Connection, decoded: Sequence[Decoded]) -> Folded:
        """Fold these portions in one transaction. Blocks. Raises psycopg2 errors after a rollback.

        1. Lock the positions, drop what is folded already, find gaps.
        2. Read what the ledger holds, decide, write.
        3. Dead letters, raw blocks, outbox.
        4. Move the positions. Commit.
        An error that a record is to blame for: the same again in parts, until it stands alone.
        """
        try:
            return self._transact(connection, decoded, self._effects)
        except Exception as error:
            connection.rollback()
            if classify(error) is not Failure.RECORDS:
                raise
        try:
            return self._transact(connection, decoded, self._effects_in_parts)
        except Exception:
            connection.rollback()
            raise

    def _transact(
        self,
        connection: Connection,
        decoded: Sequence[Decoded],
        effects: Effects,
    ) -> Folded:
        with connection.cursor() as cursor:
            positions = lock(cursor, {(d.portion.topic, d.portion.partition) for d in decoded})
            due, ends, seeks = self._due(decoded, positions)
            fates, due = effects(cursor, due)
            self._keep(cursor, due, positions, fates)
            for partition, end in sorted(ends.items()):
                advance(cursor, positions[partition], end, fates.get(partition) or dict.fromkeys(Fate, 0))
        connection.commit()
        return Folded(fates, seeks)

    def _due(
        self, decoded: Iterable[Decoded], positions: dict[TopicPartition, Position]
    ) -> tuple[list[Decoded], dict[TopicPartition, int], dict[TopicPartition, int]]:
        """What of it is not in the ledger yet; where each position moves to; where a gap sends the reader back to."""
        due: list[Decoded] = []
        ends: dict[TopicPartition, int] = {}
        seeks: dict[TopicPartition, int] = {}
        # Under the lock: what is erased from now on is erased in the ledger, too.
        erased = self.sealer.erasures.known
        for one in sorted(decoded, key=lambda d: (d.portion.topic, d.portion.partition, d.portion.start)):
            portion = one.portion
            partition = portion.topic, portion.partition
            if partition not in positions or partition in seeks:
                continue
            at = ends.get(partition, positions[partition].next_offset)
            if portion.start > at:
                seeks[partition] = at
            elif portion.end > at:
                as_read = portion.start == at and one.erased == erased
                due.append(one if as_read else self.decode(portion.since(at), one.stepped_over))
                ends[partition] = portion.end
        return due, ends, seeks

    def _effects(self, cursor: Cursor, due: list[Decoded]) -> tuple[FateCounts, list[Decoded]]:
        arrivals = [arrival for one in due for arrival in one.arrivals]
        return (self._apply(cursor, arrivals) if arrivals else {}), due

    def _effects_in_parts(self, cursor: Cursor, due: list[Decoded]) -> tuple[FateCounts, list[Decoded]]:
        """A record that cannot be folded becomes a dead letter; the others do not suffer for it."""
        fates: FateCounts = {}
        due = [
            replace(one, dead=list(one.dead)) for one in due
        ]  # a batch that is tried again begins as it was
        for one in due:
            if one.arrivals:
                self._part(cursor, one, one.arrivals, fates)
        return fates, due

    def _part(self, cursor: Cursor, one: Decoded, arrivals: list[Arrival], fates: FateCounts) -> None:
        """Fold these; if a record among them is to blame for an error, its half and the other one apart, down to itself."""
        cursor.execute("savepoint part")
        try:
            got = self._apply(cursor, arrivals)
        except Exception as error:
            if classify(error) is not Failure.RECORDS:
                raise
            cursor.execute("rollback to savepoint part")
            half = len(arrivals) // 2
            if half:
                self._part(cursor, one, arrivals[:half], fates)
                self._part(cursor, one, arrivals[half:], fates)
            else:
                one.dead.append(self._refuse(one, arrivals[0], error))
            return
        cursor.execute("release savepoint part")
        for partition, counts in got.items():
            sums = fates.setdefault(partition, dict.fromkeys(Fate, 0))
            for fate, n in counts.items():
                sums[fate] += n

    def _refuse(self, one: Decoded, arrival: Arrival, error: Exception) -> DeadLetter:
        record = next(r for r in one.portion.records if r.offset == arrival.entry.place.offset)
        return dead_letter(one.portion, record, Reason.FOLD_ERROR, type(error).__name__, self.sealer)

    def _apply(self, cursor: Cursor, arrivals: list[Arrival]) -> FateCounts:
        held = hold(cursor, {arrival.key for arrival in arrivals}, arrivals, self.policy)
        changes = rules.apply(held, arrivals, self.policy)
        self.write(cursor, changes, self.stripe)
        self.tell_tickets(cursor, changes.dossiers)
        return changes.fates

    def tell_tickets(self, cursor: Cursor, changes: Iterable[rules.Change]) -> None:
        """Put the steps of these dossiers' tickets into the outbox, if this folder tells. Blocks."""
        if self.tells:
            self._tell(cursor, told(cursor, changes))

    def _tell(self, cursor: Cursor, rows: Sequence[dict[str, Any]]) -> None:
        if self.tells:
            insert(cursor, tables.outbox, rows)

    def _keep(
        self, cursor: Cursor, due: list[Decoded], positions: dict[TopicPartition, Position], fates: FateCounts
    ) -> None:
        """Raw blocks, dead letters and their way out; and what became of records that are no events."""
        dead_rows, out_rows, blocks = [], [], []
        for one in due:
            portion = one.portion
            topic_id = positions[portion.topic, portion.partition].topic_id
            blocks.append(_block_row(one, topic_id))
            for dead in one.dead:
                count(fates, dead.place, Fate.DEAD_LETTER, dead.records)
                dead_rows.append(_dead_row(dead, topic_id))
                out_rows.append(dead_letter_row(dead, _appended_at(dead)))
            counts = fates.setdefault((portion.topic, portion.partition), dict.fromkeys(Fate, 0))
            counts[Fate.SKIPPED] += one.skipped
        insert(cursor, tables.raw_block, blocks)
        insert(cursor, tables.dead_letter, dead_rows)
        self._tell(cursor, out_rows)


def _block_row(one: Decoded, topic_id: str) -> dict[str, Any]:
    portion = one.portion
    return {
        "topic": portion.topic,
        "partition": portion.partition,
        "topic_id": topic_id,
        "first_offset": portion.start,
        "end_offset": portion.end,
        "records": one.records,
        "data": one.raw,
    }


def _dead_row(dead: DeadLetter, topic_id: str) -> dict[str, Any]:
    return {
        **asdict(dead.place),
        "topic_id": topic_id,
        "value": dead.value,
        "headers": headers_json(()),
        "around": dead.around,
        "reason": dead.reason,
        "message": dead.message,
        "parts": dead.parts,
        "records": dead.records,
        "version": VERSION,
        "appended_at": _appended_at(dead),
    }


def _appended_at(dead: DeadLetter) -> str:
    return appended_at(dead.record.timestamp).isoformat()
