"""办件质检: how many case records pass every rule, by rule and by department, and the cases that do not."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from consumers.desk.desk import Desk
from consumers.desk.paging import PAGE_SIZE, Paging, departments_shown, page_asked, url
from pipeline.ledger import inspection
from pipeline.ledger.inspection import Choice
from pipeline.ledger.rate import Rate
from pipeline.ledger.shared_numbers import shared_numbers
from pipeline.rules.inspection import Rule, rules

RANGES = (7, 30, 90)
"""Days that can be chosen, today with them."""
USUAL = 30


class Asked(NamedTuple):
    """What the pages are asked for in their URL. Anything they do not understand means all of the usual range."""

    days: int = USUAL
    dept_code: str = ""
    rule: str = ""
    page: int = 1

    @classmethod
    def of(cls, request: Request) -> "Asked":
        """From the query string."""
        query = request.query_params
        ranges = {str(days): days for days in RANGES}
        rule = query.get("rule", "")
        days = ranges.get(query.get("days", ""), USUAL)
        dept_code = query.get("department", "").replace("\x00", "")
        return cls(days, dept_code, rule if rule in rules() else "", page_asked(request))

    def url(self, page: int) -> str:
        """The same list of cases at another page."""
        choice = {"days": self.days, "department": self.dept_code, "rule": self.rule}
        return url("/inspection/cases", {**choice, "page": page if page > 1 else ""})

    def of_rule(self, rule: str) -> str:
        """The list of cases that fail this rule."""
        return self._replace(rule=rule, page=1).url(1)

    def of_department(self, dept_code: str) -> str:
        """The list of this department's cases."""
        return self._replace(dept_code=dept_code, page=1).url(1)


class Department(NamedTuple):
    """One department: its rate, and the rule that most of its records fail."""

    dept_code: str
    rate: Rate
    worst: Rule | None
    failures: int


class InspectionPages:
    """The endpoints. They block; a database that is away raises."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def overview(self, request: Request) -> Response:
        """The rate of the county, of each rule and of each department; and the case numbers that many people share."""
        asked = Asked.of(request)
        since = self._since(asked)
        with self._desk.snapshot() as connection:
            rates = inspection.passed(connection, since.date())
            failures = inspection.failures(connection, since)
            shared = shared_numbers(connection)
        context = {
            "whole": Rate(
                sum(rate.part for rate in rates.values()), sum(rate.whole for rate in rates.values())
            ),
            "by_rule": _by_rule(failures),
            "departments": _by_department(rates, failures),
            "all_departments": len(rates),
            "rules": rules(),
            "shared": shared,
        }
        return self._show(request, "inspection.html", asked, since, context)

    def cases(self, request: Request) -> Response:
        """Cases with a record that fails, the latest first."""
        asked = Asked.of(request)
        since = self._since(asked)
        choice = Choice(since, asked.dept_code, asked.rule)
        with self._desk.snapshot() as connection:
            rates = inspection.passed(connection, since.date())
            paging = Paging.of(asked.page, inspection.count_cases(connection, choice))
            rows = inspection.cases(connection, choice, paging.offset, PAGE_SIZE)
        failing = sorted(rates, key=lambda code: rates[code].part - rates[code].whole)
        context = {
            "departments": sorted(departments_shown(failing)),
            "all_departments": len(rates),
            "rules": rules(),
            "paging": paging,
            "rows": rows,
        }
        return self._show(request, "cases.html", asked, since, context)

    def _show(
        self, request: Request, name: str, asked: Asked, since: datetime, context: Mapping[str, object]
    ) -> Response:
        known = {"asked": asked, "ranges": RANGES, "since": since, "now": self._desk.clock()}
        return self._desk.show(request, name, {**known, **context})

    def _since(self, asked: Asked) -> datetime:
        """The first moment of the range: today is one of its days."""
        return self._desk.midnight(1 - asked.days)


def _by_rule(failures: dict[tuple[str, str], int]) -> list[tuple[Rule, int]]:
    """The rules that records fail, most of them first."""
    found: Counter[str] = Counter()
    for (_, rule), records in failures.items():
        found[rule] += records
    return [(rules()[rule], records) for rule, records in found.most_common()]


def _by_department(rates: dict[str, Rate], failures: dict[tuple[str, str], int]) -> list[Department]:
    """The departments that sent records, as many as a page shows, the lowest rate first."""
    made = []
    lowest = sorted(rates.items(), key=lambda one: (one[1].value or 0, -one[1].whole, one[0]))
    for dept_code in departments_shown([code for code, _ in lowest]):
        rate = rates[dept_code]
        own = {rule: failures[dept_code, rule] for rule in rules() if (dept_code, rule) in failures}
        worst = max(own, key=lambda rule: own[rule], default="")
        made.append(Department(dept_code, rate, rules().get(worst), own.get(worst, 0)))
    return made
