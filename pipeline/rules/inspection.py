"""Inspection (办件质检): which rules a case record fails. The rules' names, severity and dates are data.

A verdict depends on the record's content alone, so every copy of an event gets the same. Nothing is refused for it.
"""

from datetime import UTC, date, datetime, time
from functools import cache, lru_cache
from typing import NamedTuple

from pipeline.rules.policy import COUNTY_ZONE
from schemas.catalogue import COUNTY, departments, towns
from schemas.codes import HandlingMode, read_csv
from schemas.events import CaseEvent
from schemas.identifiers import OWN_CASE_PREFIX, is_area_code, is_uscc

_ITEM_LENGTHS = (31, 33)
_CACHED = 16_384
"""About 10 MB: each of 1,797 items in each of 9 areas, or what a foreign sender has instead."""


class Rule(NamedTuple):
    """One rule. `scope`: judged from a `record` alone, or only by who sees its whole `file`, who says so in the record.

    `severity`: `serious` or `ordinary`, for who mends them; both count. `since`: services before this day are not judged.
    """

    id: str
    name: str
    severity: str
    scope: str
    since: date

    @property
    def begins(self) -> datetime:
        """The first moment of `since` in the county's zone, as UTC: that compares fastest."""
        return datetime.combine(self.since, time(), COUNTY_ZONE).astimezone(UTC)


@cache
def rules() -> dict[str, Rule]:
    """Every rule by its id, in the order of the table."""
    return {
        row["id"]: Rule(
            row["id"], row["name"], row["severity"], row["scope"], date.fromisoformat(row["since"])
        )
        for row in read_csv("inspection_rules.csv")
    }


def failed(event: CaseEvent) -> tuple[str, ...]:
    """The ids of the rules that this case fails, in the order of the table; none: it passes. Pure.

    Those of scope `file` are the sender's to find (`failed_rules`); of what else it finds, we judge ourselves.
    """
    wrong = _wrong_codes(event.dept_code, event.item_code, event.area_code)
    missing = _missing(event)
    accepted_at, served_at = event.accepted_at, event.served_at
    late = accepted_at is not None and accepted_at > served_at
    if not (missing or wrong or late or event.promised_at or event.failed_rules):
        return ()
    return in_force(
        (*missing, *wrong, *(("accepted_after_served",) if late else ()), *_told(event)), served_at
    )


def _told(event: CaseEvent) -> tuple[str, ...]:
    """What the sender's own words show: a file's rules, and a promise that was not kept."""
    told = tuple(rule for rule in _of_files() if rule in event.failed_rules)
    late = event.promised_at is not None and event.served_at > event.promised_at
    return (*told, "promise_broken") if late else told


def passed(flags: tuple[str, ...]) -> bool:
    """Whether a case record with these flags fails no rule; it may be odd otherwise."""
    return not flags or flag_ids().isdisjoint(flags)


@cache
def flag_ids() -> frozenset[str]:
    """The ids of the rules, as they stand among the flags of a case record."""
    return frozenset(rules())


def in_force(ids: tuple[str, ...], served_at: datetime) -> tuple[str, ...]:
    """Those of these rules that judge a service of this moment."""
    begins, all_since = _begins()
    if served_at >= all_since:
        return ids
    return tuple(rule for rule in ids if served_at >= begins[rule])


@cache
def _of_files() -> tuple[str, ...]:
    return tuple(rule.id for rule in rules().values() if rule.scope == "file")


@cache
def _begins() -> tuple[dict[str, datetime], datetime]:
    """When each rule began, and since when all of them are in force."""
    begins = {rule.id: rule.begins for rule in rules().values()}
    return begins, max(begins.values())


def _missing(event: CaseEvent) -> list[str]:
    missing = []
    if event.case_no.startswith(OWN_CASE_PREFIX):
        missing.append("case_no_shared")
    if not event.item_name:
        missing.append("name_missing")
    if event.accepted_at is None:
        missing.append("accepted_at_missing")
    if event.handling_mode is HandlingMode.OFFLINE:
        if not (event.window_code or event.hall_code):
            missing.append("place_missing")
        if not event.staff_id:
            missing.append("staff_missing")
    return missing


@lru_cache(maxsize=_CACHED)
def _wrong_codes(dept_code: str, item_code: str, area_code: str) -> tuple[str, ...]:
    return _wrong_department(dept_code) + _wrong_item(item_code, dept_code) + _wrong_area(area_code)


def _wrong_department(code: str) -> tuple[str, ...]:
    if not is_uscc(code):
        return ("dept_malformed",)
    return () if code in _departments() else ("dept_unknown",)


def _wrong_item(code: str, dept_code: str) -> tuple[str, ...]:
    if not is_item_code(code):
        return ("item_malformed",)
    unknown = () if code[:31] in _items() else ("item_unknown",)
    foreign = () if code[:18] == dept_code else ("item_of_other_department",)
    return unknown + foreign


def is_item_code(code: str) -> bool:
    """Whether this has the form of a 实施编码 (18 characters of its department with a right check digit, then 13), or of a
    业务办理项编码 (two more).
    """
    rest = code[18:]
    return (
        len(code) in _ITEM_LENGTHS
        and is_uscc(code[:18])
        and rest.isascii()
        and rest.isalnum()
        and rest.upper() == rest
    )


def _wrong_area(code: str) -> tuple[str, ...]:
    """The county or one of its towns, in 6, 9 or 12 digits; the last three of 12 are a village's."""
    if not code:
        return ()
    town, village = code[:9].ljust(9, "0"), code[9:].ljust(3, "0")
    ours = town in _towns() or (town == f"{COUNTY}000" and village == "000")
    return () if ours and is_area_code(code) else ("area_unknown",)


@cache
def _departments() -> frozenset[str]:
    return frozenset(department.code for department in departments())


@cache
def _items() -> frozenset[str]:
    return frozenset(d.item_code(number) for d in departments() for number in range(1, d.items + 1))


@cache
def _towns() -> frozenset[str]:
    return frozenset(town.area_code for town in towns())
