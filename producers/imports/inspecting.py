"""Inspection (办件质检) of what is imported: what only the importer sees goes into the record, and the record is judged.

The fold judges it by the same rules, so that what the importer finds counts in the county's pass rate.
"""

from collections import Counter
from datetime import timedelta
from typing import NamedTuple

from pipeline.rules.inspection import failed, rules
from producers.errors import Unmapped
from producers.imports.promise import Promise
from schemas.events import CaseEvent
from schemas.identifiers import derived_id

REPEATED, UNCLEAR = "repeated_in_file", "promise_unclear"


class Summary(NamedTuple):
    """How many cases were judged, how many passed every rule, and how many failed which rule, in the table's order."""

    cases: int
    passed: int
    failures: tuple[tuple[str, int], ...]

    def lines(self) -> list[str]:
        """For the screen."""
        if not self.cases:
            return []
        head = f"inspection (办件质检): {self.passed / self.cases:.1%} pass ({self.passed:,}/{self.cases:,})"
        return [head, *(f"  {rule} {rules()[rule].name}: {count:,}" for rule, count in self.failures)]


class Inspection:
    """Judges the cases of one file, or one poll, one after the other."""

    def __init__(self, promise: Promise | None = None) -> None:
        self._promise = promise
        self._cases = self._passed = 0
        self._failures: Counter[str] = Counter()

    def judge(
        self, row: dict[str, str], event: CaseEvent, shift: timedelta, *, repeated: bool = False
    ) -> tuple[str, ...]:
        """The ids of the rules that this case fails; `repeated`: other rows of the file tell its service otherwise. The event gets what the row says of it: the promise, and what it fails
        in this file; with that it is another event than the same row in a file where it does not.
        """
        self._promised(row, event, shift)
        if repeated:
            event.failed_rules.append(REPEATED)
        if event.failed_rules:
            event.event_id = str(derived_id("failed", event.event_id, *event.failed_rules))
        ids = failed(event)
        self._cases += 1
        self._passed += not ids
        self._failures.update(ids)
        return ids

    def _promised(self, row: dict[str, str], event: CaseEvent, shift: timedelta) -> None:
        """The event's times are moved by `shift`; the promise is for working days, so it is for those in which it was given."""
        if self._promise is None:
            return
        try:
            by = self._promise.by(row, event.accepted_at and event.accepted_at - shift)
            event.promised_at = by and by + shift
        except (Unmapped, ValueError, OverflowError):
            event.failed_rules.append(UNCLEAR)

    def summary(self) -> Summary:
        """What came of it so far."""
        return Summary(
            self._cases, self._passed, tuple((r, self._failures[r]) for r in rules() if self._failures[r])
        )


def said(ids: tuple[str, ...]) -> str:
    """These rules for an officer."""
    return "；".join(f"{rules()[rule].name}（{rule}）" for rule in ids)
