"""The promised time (承诺时限): what a row says of it, and whether its case kept it. The contract has no field for it."""

from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Self

from pydantic import model_validator

from pipeline.rules.policy import COUNTY_ZONE
from pipeline.rules.working_days import official_calendar
from producers.errors import Unmapped
from producers.imports.field import Source, Strict
from schemas.events import CaseEvent

IMMEDIATE, PROMISED = "immediate", "promised"
BROKEN, UNCLEAR = "promise_broken", "promise_unclear"


class Promise(Strict):
    """Where the promise stands: `kind` (`immediate` 即办件, `promised` 承诺件), `until` a time, or in `days` (working days
    after the acceptance). Provinces number the kinds the other way round: that is what `codes` are for.
    """

    kind: Source | None = None
    until: Source | None = None
    days: Source | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.kind is None and self.until is None and self.days is None:
            raise ValueError("say kind, until or days")
        if self.kind and (wrong := sorted(self.kind.constants - {IMMEDIATE, PROMISED})):
            raise ValueError(f"kind: {', '.join(wrong)} is none of {IMMEDIATE}, {PROMISED}")
        if self.until and self.until.times is None:
            raise ValueError("until: a time needs times")
        return self

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        named = (source.column for source in (self.kind, self.until, self.days) if source)
        return tuple(dict.fromkeys(column for column in named if column is not None))

    def failed(self, row: dict[str, str], event: CaseEvent, shift: timedelta) -> tuple[str, ...]:
        """The ids of the inspection rules that the row's promise fails. The times of the event are moved by `shift`; the promise
        is judged in the days in which it was given.
        """
        try:
            broken = self._is_broken(row, event, shift)
        except (Unmapped, ValueError, OverflowError):
            return (UNCLEAR,)
        return (BROKEN,) if broken else ()

    def _is_broken(self, row: dict[str, str], event: CaseEvent, shift: timedelta) -> bool:
        kind = self.kind and self.kind.read(row, 1)
        until = self.until and self.until.read(row, 1)
        days = self.days and self.days.read(row, 1)
        served_at = event.served_at - shift
        late = isinstance(until, datetime) and served_at > until
        if event.accepted_at is None:
            return late
        accepted_at = event.accepted_at - shift
        if kind == IMMEDIATE:
            return late or _day(served_at) > _day(accepted_at)
        return late or (days is not None and served_at > _due(accepted_at, str(days)))


def _day(at: datetime) -> date:
    return at.astimezone(COUNTY_ZONE).date()


def _due(accepted_at: datetime, days: str) -> datetime:
    """ValueError if this is no number of days that anybody would promise."""
    number = int(days)
    if not 0 <= number <= 1_000:
        raise ValueError(days)
    return official_calendar().due(accepted_at, number, COUNTY_ZONE).at
