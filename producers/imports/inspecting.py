"""Inspection (办件质检) of what is imported: the record's rules, and those that need the row or the rows before it."""

from collections import Counter
from datetime import timedelta
from typing import NamedTuple

from pipeline.rules.inspection import failed, in_force, rules
from producers.imports.promise import Promise
from schemas.events import CaseEvent

REPEATED = "repeated_in_file"


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
        self._seen: set[tuple[str, int]] = set()
        self._cases = self._passed = 0
        self._failures: Counter[str] = Counter()

    def judge(self, row: dict[str, str], event: CaseEvent, shift: timedelta) -> tuple[str, ...]:
        """The ids of the rules that this case fails."""
        ids = failed(event) + in_force(self._by_row(row, event, shift), event.served_at)
        self._cases += 1
        self._passed += not ids
        self._failures.update(ids)
        return ids

    def _by_row(self, row: dict[str, str], event: CaseEvent, shift: timedelta) -> tuple[str, ...]:
        key = event.case_no, event.service_no
        repeated = (REPEATED,) if key in self._seen else ()
        self._seen.add(key)
        return repeated + (self._promise.failed(row, event, shift) if self._promise else ())

    def summary(self) -> Summary:
        """What came of it so far."""
        return Summary(
            self._cases, self._passed, tuple((r, self._failures[r]) for r in rules() if self._failures[r])
        )


def said(ids: tuple[str, ...]) -> str:
    """These rules for an officer."""
    return "；".join(f"{rules()[rule].name}（{rule}）" for rule in ids)
