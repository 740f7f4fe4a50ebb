"""The desk's pages: what a request asks for, from the ledger, into a template."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from consumers.desk.templating import templates
from pipeline.ledger import ticket_list
from pipeline.ledger.ticket_list import Choice, Counts
from pipeline.rules.policy import Policy
from schemas.tickets import CLOSED

PAGE_SIZE = 50


class Asked(NamedTuple):
    """What the list is asked for in its URL. Anything it does not understand means the first page of all."""

    dept_code: str = ""
    overdue: bool = False
    page: int = 1

    @classmethod
    def of(cls, request: Request) -> "Asked":
        """From the query string."""
        query = request.query_params
        page = query.get("page", "")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 1
        return cls(query.get("department", ""), query.get("overdue") == "1", max(1, number))

    def url(self, page: int) -> str:
        """The same list at another page."""
        pairs = {"department": self.dept_code, "overdue": "1" if self.overdue else "", "page": str(page)}
        return "/?" + urlencode({name: value for name, value in pairs.items() if value})


class Pages:
    """The endpoints. They block, and Starlette runs them in its threads; a database that is away raises."""

    def __init__(self, ledger: Engine, policy: Policy, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._policy = policy
        self._clock = clock
        self._templates = templates(policy)

    def tickets(self, request: Request) -> Response:
        """The list of open tickets."""
        asked, now = Asked.of(request), self._clock()
        with self._snapshot() as connection:
            counts = ticket_list.counts(connection, now, self._end_of_day(now))
            chosen = _sum(counts, asked.dept_code)
            matching = chosen.overdue if asked.overdue else chosen.open
            last = max(1, -(-matching // PAGE_SIZE))
            asked = asked._replace(page=min(asked.page, last))
            choice = Choice(asked.dept_code or None, now if asked.overdue else None)
            offset = (asked.page - 1) * PAGE_SIZE
            # not asked of the database when nothing matches: an unknown department is any text of a stranger's
            rows = ticket_list.page(connection, choice, offset, PAGE_SIZE) if matching else []
        context = {"asked": asked, "now": now, "counts": counts, "chosen": chosen, "matching": matching}
        return self._templates.TemplateResponse(request, "list.html", context | {"last": last, "rows": rows})

    def ticket(self, request: Request) -> Response:
        """One ticket. 404 if there is none of this id."""
        ticket_id: UUID = request.path_params["ticket_id"]
        with self._snapshot() as connection:
            whole = ticket_list.one(connection, ticket_id)
        if whole is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        context = {"now": self._clock(), "closed": CLOSED, **whole._asdict()}
        return self._templates.TemplateResponse(request, "ticket.html", context)

    def healthz(self, _: Request) -> Response:
        """200 if the database answers, else 503 with what is wrong."""
        try:
            with self._ledger.connect() as connection:
                connection.execute(text("select 1"))
        except SQLAlchemyError as error:
            problem = f"the database does not answer ({type(error).__name__}): see `hcp status`\n"
            return PlainTextResponse(problem, HTTPStatus.SERVICE_UNAVAILABLE)
        return PlainTextResponse("ok\n")

    def problem(
        self, request: Request, status: HTTPStatus, headers: dict[str, str] | None = None
    ) -> Response:
        """The page that says what went wrong. Does not touch the database."""
        context = {"status": status.value}
        return self._templates.TemplateResponse(request, "problem.html", context, status.value, headers)

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        """Counts and rows of one page are of one moment."""
        with self._ledger.connect() as connection:
            yield connection.execution_options(isolation_level="REPEATABLE READ")

    def _end_of_day(self, now: datetime) -> datetime:
        tomorrow = now.astimezone(self._policy.zone).date() + timedelta(days=1)
        return datetime.combine(tomorrow, time(), self._policy.zone)


def _sum(counts: dict[str, Counts], dept_code: str) -> Counts:
    if dept_code:
        return counts.get(dept_code, Counts())
    return Counts(*(sum(numbers) for numbers in zip(*counts.values(), strict=True))) if counts else Counts()
