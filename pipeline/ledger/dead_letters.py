"""Dead letters, and what people did with them. A letter's state is that of its last action; without one it is open.

Letters belong to the ledger, which a replay builds anew; actions belong to the office and find their letter by its place.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, Select, and_, exists, func, select, text, true, tuple_

from pipeline.ledger.decode import open_around
from pipeline.ledger.office_tables import dead_letter_action
from pipeline.ledger.outbox import headers_from
from pipeline.ledger.portion import Headers, Part
from pipeline.ledger.reviewers import names_erased
from pipeline.ledger.tables import dead_letter
from pipeline.sealing import IdentityErased, Sealer

_LOCK = 0x6D65_6979  # the advisory lock of actions: one at a time, whoever acts


class State(StrEnum):
    """What has become of a letter."""

    OPEN = "open"
    RETRIED = "retried"
    EDITED = "edited"
    DISCARDED = "discarded"


class Action(StrEnum):
    """What a person can do with it."""

    RETRY = "retry"
    EDIT = "edit"
    DISCARD = "discard"


class Name(NamedTuple):
    """Where a letter lay in the log. A topic that was made anew has the same offsets again: then its id tells them apart."""

    topic: str
    partition: int
    offset: int
    topic_id: str

    def __str__(self) -> str:
        """What people call it."""
        return f"{self.topic}/{self.partition}/{self.offset}"


class Filter(NamedTuple):
    """Which letters: any of these reasons and states (none given: every one), taken by the log in [`since`, `until`)."""

    reasons: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    states: Sequence[State] = (State.OPEN,)


class Line(NamedTuple):
    """A letter as a list shows it. `appended_at`: when the log took the record."""

    name: Name
    reason: str
    message: str
    appended_at: datetime
    state: State


class Letter(NamedTuple):
    """The whole of it; `value` is sealed. `parts`, sealed too: of a record that could not be kept as it was.

    `around`: its key and headers, sealed; None if they are in clear, as letters of earlier versions have them.
    """

    line: Line
    version: str
    key: bytes | None
    headers: Headers
    value: bytes
    around: bytes | None = None
    parts: bytes | None = None
    records: int = 1

    @property
    def name(self) -> Name:
        """Where it lay."""
        return self.line.name

    def open(self, sealer: Sealer) -> bytes:
        """The bytes that the sender sent. Raises CannotOpen, also if they name an event whose identity was erased."""
        clear = sealer.open(self.value.decode(), *self._about)
        if names_erased(clear, self.unsealed(sealer).headers, sealer):
            raise IdentityErased
        return clear

    def unsealed(self, sealer: Sealer) -> "Letter":
        """The same with its key and headers in clear. Raises CannotOpen."""
        if self.around is None:
            return self
        key, headers = open_around(self.around, self._about, sealer)
        return self._replace(key=key, headers=headers, around=None)

    def open_parts(self, sealer: Sealer) -> dict[str, Part]:
        """What is kept of a record that could not be kept as it was; empty for any other. Raises CannotOpen."""
        if self.parts is None:
            return {}
        parts = msgspec.msgpack.decode(sealer.open(self.parts.decode(), *self._about), type=dict[str, Part])
        if any(names_erased(part.data, (), sealer) for part in parts.values()):
            raise IdentityErased
        return parts

    @property
    def _about(self) -> tuple[str, str, str]:
        topic, partition, offset, _ = self.name
        return topic, str(partition), str(offset)


class Deed(NamedTuple):
    """An action on record. `sent`: topic, partition and offset of the record sent; `event_id` None if none was read."""

    name: Name
    action: Action
    actor: str
    reason: str = ""
    event_id: str | None = None
    sent: tuple[str, int, int] | None = None


_NAME = ("topic", "partition", "offset", "topic_id")
_KEPT = ("version", "key", "headers", "value", "around", "parts", "records")
_AFTER = {Action.RETRY: State.RETRIED, Action.EDIT: State.EDITED, Action.DISCARD: State.DISCARDED}
_of_letter = tuple_(*(dead_letter.c[name] for name in _NAME))
_deed = dead_letter_action.c
_same_place = and_(*(_deed[name] == dead_letter.c[name] for name in _NAME))
_last = select(_deed.action).where(_same_place).order_by(_deed.id.desc()).limit(1).lateral("last")
_letters = dead_letter.outerjoin(_last, true())
_order = (dead_letter.c.appended_at, *(dead_letter.c[name] for name in _NAME))
_line_columns = (*_order, dead_letter.c.reason, dead_letter.c.message, _last.c.action)


def find(connection: Connection, wanted: Filter) -> list[Line]:
    """The letters of a filter, the oldest first. Blocks."""
    query = _filtered(select(*_line_columns), wanted).select_from(_letters)
    return [_line(row) for row in connection.execute(query.order_by(*_order))]


def whole(connection: Connection, names: Iterable[Name]) -> list[Letter]:
    """These letters with all that is kept of them, the oldest first. Blocks."""
    columns = (*_line_columns, *(dead_letter.c[name] for name in _KEPT))
    query = select(*columns).select_from(_letters).where(_of_letter.in_(list(names))).order_by(*_order)
    return [
        Letter(
            _line(row),
            row.version,
            row.key,
            tuple(headers_from(row.headers)),
            row.value,
            row.around,
            row.parts,
            row.records,
        )
        for row in connection.execute(query)
    ]


def called(connection: Connection, topic: str, partition: int, offset: int) -> list[Name]:
    """The letters of this place: more than one if the topic was made anew. Blocks."""
    query = select(*(dead_letter.c[name] for name in _NAME)).where(
        dead_letter.c.topic == topic, dead_letter.c.partition == partition, dead_letter.c.offset == offset
    )
    return [Name(*row) for row in connection.execute(query.order_by(dead_letter.c.appended_at))]


def history(connection: Connection, name: Name) -> Sequence[Row[Any]]:
    """What was done with a letter, in order; `refused_again`: the record sent has become a dead letter itself. Blocks."""
    again = exists().where(
        *(dead_letter.c[column] == _deed[f"sent_{column}"] for column in ("topic", "partition", "offset"))
    )
    query = select(dead_letter_action, again.label("refused_again")).where(
        *(_deed[column] == value for column, value in name._asdict().items())
    )
    return connection.execute(query.order_by(_deed.id)).all()


def hold(connection: Connection) -> None:
    """Let nobody else act until this transaction ends: two people must not send the same letter. Blocks."""
    connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def record(connection: Connection, deeds: Sequence[Deed]) -> None:
    """Put actions on record. Blocks."""
    if deeds:
        connection.execute(dead_letter_action.insert(), [_row(deed) for deed in deeds])


def count_open(connection: Connection) -> int:
    """How many letters wait for a person. Blocks."""
    query = select(func.count()).select_from(dead_letter).where(~exists().where(_same_place))
    return connection.scalar(query) or 0


def _filtered(query: Select[Any], wanted: Filter) -> Select[Any]:
    if wanted.reasons:
        query = query.where(dead_letter.c.reason.in_(wanted.reasons))
    if wanted.since:
        query = query.where(dead_letter.c.appended_at >= wanted.since)
    if wanted.until:
        query = query.where(dead_letter.c.appended_at < wanted.until)
    if wanted.states:
        done = [action.value for action, state in _AFTER.items() if state in wanted.states]
        is_open = _last.c.action.is_(None)
        query = query.where(_last.c.action.in_(done) | (is_open if State.OPEN in wanted.states else False))
    return query


def _line(row: Row[Any]) -> Line:
    state = _AFTER[Action(row.action)] if row.action else State.OPEN
    return Line(
        Name(*(getattr(row, name) for name in _NAME)), row.reason, row.message, row.appended_at, state
    )


def _row(deed: Deed) -> dict[str, Any]:
    topic, partition, offset = deed.sent or (None, None, None)
    return {
        **deed.name._asdict(),
        "action": deed.action.value,
        "actor": deed.actor,
        "reason": deed.reason,
        "event_id": deed.event_id,
        "sent_topic": topic,
        "sent_partition": partition,
        "sent_offset": offset,
    }
