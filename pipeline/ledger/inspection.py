"""Inspection (办件质检): how many case records passed, and which fail which rule.

A record counts for the department and the day of the service that it belongs to, whatever it says itself: so do the
counters (`rules/measures.py`), and the fractions agree.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from pipeline.ledger.rate import Rate
from pipeline.rules.inspection import flag_ids

_PASSED = """
    select dept_code, sum(cases_passed)::bigint, sum(case_records)::bigint from counter where day >= :day
    group by 1 having sum(case_records) > 0"""
# Records are few that fail, versions fewer: the service's own row first, then what it has replaced.
_FAILING = """
    select case_no, service_no, dept_code, item_code, item_name, served_at, flags from service
    where not placeholder and flags && :rules and (cast(:since as timestamptz) is null or served_at >= :since)
    union all
    select s.case_no, s.service_no, s.dept_code, s.item_code, s.item_name, s.served_at, v.flags
    from case_version v join service s using (case_no, service_no)
    where not s.placeholder and v.flags && :rules and (cast(:since as timestamptz) is null or s.served_at >= :since)"""
_FAILURES = f"""
    select dept_code, rule, count(*) from ({_FAILING}) f, unnest(flags) as rule where rule = any(:rules) group by 1, 2"""
_CHOSEN = f"""
    select case_no, service_no, dept_code, item_code, item_name, served_at, array_agg(distinct rule) as rules
    from ({_FAILING}) f, unnest(flags) as rule
    where rule = any(:rules) and (:dept_code = '' or dept_code = :dept_code)
    group by 1, 2, 3, 4, 5, 6 having :rule = '' or bool_or(rule = :rule)"""


class Choice(NamedTuple):
    """Which failing cases: of services since then, of one department or all (empty), of one rule or all (empty)."""

    since: datetime | None = None
    dept_code: str = ""
    rule: str = ""


def passed(connection: Connection, day: date) -> dict[str, Rate]:
    """Case records that passed every rule ÷ case records, by department, of services since this day. Blocks."""
    rows = connection.execute(text(_PASSED), {"day": day})
    return {dept_code: Rate(part, whole) for dept_code, part, whole in rows}


def failures(connection: Connection, since: datetime | None = None) -> dict[tuple[str, str], int]:
    """Case records that fail, by department and rule; one that fails two rules stands under both. Blocks."""
    rows = connection.execute(text(_FAILURES), _parameters(since))
    return {(dept_code, rule): records for dept_code, rule, records in rows}


def count_cases(connection: Connection, choice: Choice) -> int:
    """How many services have a failing record. Blocks."""
    return connection.scalar(text(f"select count(*) from ({_CHOSEN}) c"), _chosen(choice)) or 0


def cases(connection: Connection, choice: Choice, offset: int, limit: int) -> Sequence[Row[Any]]:
    """A page of those services with the rules that they fail, the latest first. Blocks."""
    query = text(_CHOSEN + " order by served_at desc, case_no, service_no offset :offset limit :limit")
    return connection.execute(query, _chosen(choice) | {"offset": offset, "limit": limit}).all()


def _chosen(choice: Choice) -> dict[str, Any]:
    return _parameters(choice.since) | {"dept_code": choice.dept_code, "rule": choice.rule}


def _parameters(since: datetime | None) -> dict[str, Any]:
    return {"since": since, "rules": sorted(flag_ids())}
