"""The promised time (承诺时限): by when a row says that its service was promised."""

from datetime import datetime
from functools import cached_property
from typing import Self

from pydantic import model_validator

from pipeline.rules.policy import COUNTY_ZONE
from pipeline.rules.working_days import official_calendar
from producers.imports.field import Source, Strict

IMMEDIATE, PROMISED = "immediate", "promised"
MOST_DAYS = 1_000


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

    def by(self, row: dict[str, str], accepted_at: datetime | None) -> datetime | None:
        """By when the service was promised, the earliest if the row says it twice; None if it was not.

        Raises Unmapped, ValueError or OverflowError if the row says something that nobody understands.
        """
        kind = self.kind and self.kind.read(row, 1)
        until = self.until and self.until.read(row, 1)
        days = self.days and self.days.read(row, 1)
        limits = [until] if isinstance(until, datetime) else []
        if accepted_at is not None and kind == IMMEDIATE:
            limits.append(_end(accepted_at, 0))
        elif accepted_at is not None and days is not None:
            limits.append(_end(accepted_at, _number(str(days))))
        return min(limits, default=None)


def _end(accepted_at: datetime, days: int) -> datetime:
    return official_calendar().due(accepted_at, days, COUNTY_ZONE).at.replace(microsecond=999_999)


def _number(days: str) -> int:
    """ValueError if this is no number of days that anybody would promise."""
    number = int(days)
    if not 0 <= number <= MOST_DAYS:
        raise ValueError(days)
    return number
