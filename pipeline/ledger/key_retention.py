"""When a month's key is destroyed: years after the month and after the last closing of a ticket whose reviewer it seals."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Engine

from pipeline.ledger.engine import opened_engine, transaction
from pipeline.ledger.failures import Stop
from pipeline.month_keys import KEY_ID, Destroyed, Entry, Month, MonthKeys, end_of, month_named, name_of
from pipeline.sealing import PREFIX
from pipeline.settings import Settings
from pipeline.times import shown
from schemas.tickets import CLOSED, State

log = logging.getLogger(__name__)

OVER = "its retention was over"
_TIMEOUT = "10min"
"""Every review is read, and nobody waits for it."""
_SHOWN = 5
"""Ids of keys that are not there: a foreign sender may write as many as it likes."""
_OF_A_MONTH = rf"^{PREFIX}\.{KEY_ID.pattern}\."
_IDENTITIES = """
    select split_part(reviewer, '.', 2), count(*) from review where reviewer ~ %(of_a_month)s group by 1"""
_LETTERS = """
    select split_part(prefix, '.', 2), count(*)
    from (select encode(substring(value from 1 for 32), 'escape') as prefix from dead_letter) letter
    where prefix ~ %(of_a_month)s group by 1"""
_TICKETS = """
    select key_id, count(*) filter (where not closed), max(at) filter (where closed)
    from (
        select split_part(reviewer, '.', 2) as key_id, coalesce(step.state, %(new)s) = any(%(closed)s) as closed, step.at
        from review join ticket using (case_no, service_no, review_no, event_id, digest) left join lateral (
            select state, at from office.ticket_step s
            where s.ticket_id = ticket.ticket_id order by step_no desc limit 1
        ) step on true
        where reviewer ~ %(of_a_month)s
    ) sealed group by 1"""
_OLDEST = "select min(received_at) from review"


@dataclass(slots=True)
class Sealed:
    """What a month's keys seal in the ledger."""

    key_ids: set[str] = field(default_factory=set)
    identities: int = 0
    letters: int = 0
    open_tickets: int = 0
    last_closing: datetime | None = None


class Survey(NamedTuple):
    """What every month's keys seal, and when the oldest review was received; None if there is none."""

    months: Mapping[Month, Sealed]
    oldest: datetime | None


def due_at(
    month_end: datetime, last_closing: datetime | None, open_tickets: int, retention: timedelta
) -> datetime | None:
    """From when on a month's keys are to be destroyed; None while a ticket holds them. Pure.

    `last_closing`: the latest of a ticket whose reviewer they seal, None if there was none.
    """
    if open_tickets:
        return None
    return max(month_end, last_closing or month_end) + retention


def is_due(
    month_end: datetime, last_closing: datetime | None, open_tickets: int, now: datetime, retention: timedelta
) -> bool:
    """Whether a month's keys are to be destroyed now. Pure."""
    at = due_at(month_end, last_closing, open_tickets, retention)
    return at is not None and at <= now


def survey(ledger: Engine) -> Survey:
    """What the ledger has under months' keys. Blocks, for as long as it takes to read every review."""
    with transaction(ledger) as cursor:
        cursor.execute("set transaction isolation level repeatable read read only")
        cursor.execute(f"set local statement_timeout = '{_TIMEOUT}'")
        months: dict[Month, Sealed] = {}
        for key_id, count in _rows(cursor, _IDENTITIES):
            _of(months, key_id).identities += count
        for key_id, count in _rows(cursor, _LETTERS):
            _of(months, key_id).letters += count
        states = {"new": State.NEW.value, "closed": sorted(CLOSED)}
        for key_id, still_open, closing in _rows(cursor, _TICKETS, **states):
            sealed = _of(months, key_id)
            sealed.open_tickets += still_open
            sealed.last_closing = max(filter(None, (sealed.last_closing, closing)), default=None)
        ((oldest,),) = _rows(cursor, _OLDEST)
    return Survey(months, oldest)


def destroy_due(ledger: Engine, keys: MonthKeys, now: datetime, retention: timedelta, by: str) -> list[Month]:
    """Destroy the keys whose retention is over, and what came back of those that were destroyed. Returns their months. Blocks.

    A ledger that begins after a month says nothing about it: it may be a new one that waits for its backup. Its keys stay.
    """
    found, entries = survey(ledger), keys.entries()
    _tell_missing(found, entries)
    done = []
    for entry in entries:
        end, sealed = end_of(entry.month), found.months.get(entry.month, Sealed())
        due = is_due(end, sealed.last_closing, sealed.open_tickets, now, retention)
        knows = found.oldest is not None and found.oldest < end
        if entry.is_back or (entry.destroyed is None and due and knows):
            keys.destroy(entry.month, now, by, OVER)
            said = {"month": entry.month, "identities": sealed.identities, "dead_letters": sealed.letters}
            log.warning("month_key_destroyed", extra=said | {"again": entry.is_back})
            done.append(entry.month)
    return done


def missing(found: Survey, entries: list[Entry]) -> set[str]:
    """Ids of keys that seal something, were not destroyed, and are not in the folder. Pure."""
    there = {key_id for entry in entries for key_id in entry.key_ids}
    gone = {entry.month for entry in entries if entry.destroyed}
    return {
        key_id
        for month, sealed in found.months.items()
        if month not in gone
        for key_id in sealed.key_ids - there
    }


class Line(NamedTuple):
    """A month as a list shows it. `due`: None while tickets hold the key, or after it was destroyed. `missing`: ids of keys that
    seal something and are not in the folder.
    """

    month: Month
    made: datetime | None
    identities: int
    letters: int
    open_tickets: int
    due: datetime | None
    destroyed: Destroyed | None
    missing: list[str]

    def shown(self, zone: ZoneInfo) -> str:
        """For the screen."""
        made = f"made {shown(self.made, zone)}" if self.made else "no key here"
        said = [
            name_of(self.month),
            made,
            f"{self.identities:,} identities",
            f"{self.letters:,} dead letters",
            self._fate(zone),
        ]
        return "  ".join(said + ([f"NOT HERE: {_some(self.missing)}"] if self.missing else []))

    def _fate(self, zone: ZoneInfo) -> str:
        if self.destroyed:
            return f"destroyed {shown(self.destroyed.at, zone)} by {self.destroyed.by}: {self.destroyed.why}"
        if self.due is None:
            return f"held by {self.open_tickets:,} open tickets"
        return f"due {shown(self.due, zone)}"

    def as_json(self) -> dict[str, Any]:
        """For programs; times in UTC."""
        said: dict[str, Any] = msgspec.to_builtins(self._asdict() | {"month": name_of(self.month)})
        return said


def lines(settings: Settings) -> list[Line]:
    """Every month that has a key, a marker, or something sealed. Blocks. Raises NotConfiguredError, KeyRingError."""
    with opened_engine(settings.database, "seal", pool_size=1) as ledger:
        found = survey(ledger)
    entries = {entry.month: entry for entry in MonthKeys(settings.seal.months).entries()}
    lost, retention = missing(found, [*entries.values()]), timedelta(days=settings.seal.retention_days)
    return [
        _line(
            found.months.get(month, Sealed()),
            entries.get(month, Entry(month, [], None, None)),
            retention,
            lost,
        )
        for month in sorted({*found.months, *entries})
    ]


def _line(sealed: Sealed, entry: Entry, retention: timedelta, lost: set[str]) -> Line:
    due = due_at(end_of(entry.month), sealed.last_closing, sealed.open_tickets, retention)
    return Line(
        entry.month,
        entry.made,
        sealed.identities,
        sealed.letters,
        sealed.open_tickets,
        None if entry.destroyed else due,
        entry.destroyed,
        sorted(sealed.key_ids & lost),
    )


def line_of(settings: Settings, words: str, now: datetime) -> Line:
    """The month that a person names, such as 2026-11, if its key can be destroyed. Blocks. Raises Stop with a sentence."""
    month = month_named(words)
    if month is None:
        raise Stop(f"{words} is no month: write it as 2026-11")
    found = [line for line in lines(settings) if line.month == month]
    if not found or (found[0].made is None and not found[0].destroyed):
        raise Stop(f"{settings.seal.months.resolve()} has no key of {name_of(month)}: see `hcp seal list`")
    if found[0].destroyed:
        raise Stop(f"{found[0].shown(settings.rules.zone)}: nothing is left to destroy")
    if end_of(month) > now:
        raise Stop(f"{name_of(month)} (UTC) has not ended: what comes in is sealed with its key")
    return found[0]


def _tell_missing(found: Survey, entries: list[Entry]) -> None:
    if keys := missing(found, entries):
        log.error("month_keys_missing", extra={"keys": _some(sorted(keys))})


def _some(key_ids: list[str]) -> str:
    more = f" and {len(key_ids) - _SHOWN:,} more" if len(key_ids) > _SHOWN else ""
    return ", ".join(key_ids[:_SHOWN]) + more


def _rows(cursor: Cursor, query: str, **values: Any) -> list[tuple[Any, ...]]:
    cursor.execute(query, values | {"of_a_month": _OF_A_MONTH})
    return cursor.fetchall()


def _of(months: dict[Month, Sealed], key_id: str) -> Sealed:
    sealed = months.setdefault(int(key_id[1:7]), Sealed())
    sealed.key_ids.add(key_id)
    return sealed
