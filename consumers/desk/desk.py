"""What every page of the desk has: the ledger to look into, the time, the county's rules, the templates."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Engine
from starlette.requests import Request
from starlette.responses import Response

from consumers.desk.templating import templates
from pipeline.rules.policy import Policy

SECTIONS = {"/": "差评工单", "/devices": "评价器", "/inspection": "办件质检", "/hotline": "电话评价"}
"""Where the pages begin, and what they are called."""


class Desk:
    """Connects at the first look."""

    def __init__(self, ledger: Engine, policy: Policy, clock: Callable[[], datetime]) -> None:
        self.ledger, self.policy, self.clock = ledger, policy, clock
        self._templates = templates(policy)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Counts and rows of one page are of one moment. Blocks; raises sqlalchemy errors when the database is away."""
        with self.ledger.connect() as connection:
            yield connection.execution_options(isolation_level="REPEATABLE READ")

    def show(
        self,
        request: Request,
        name: str,
        context: Mapping[str, Any],
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """The page of this template."""
        known = {"sections": SECTIONS, "section": _section(request), **context}
        return self._templates.TemplateResponse(request, name, known, status, headers)

    def today(self) -> date:
        """The county's day."""
        return self.clock().astimezone(self.policy.zone).date()

    def midnight(self, days: int) -> datetime:
        """When the day in so many days begins; the past is negative."""
        return datetime.combine(self.today() + timedelta(days=days), time(), self.policy.zone)


def _section(request: Request) -> str:
    first = request.url.path.split("/")[1]
    return "/" if first == "tickets" else f"/{first}"
