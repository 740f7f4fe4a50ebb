"""The desk's first pages: open tickets, one ticket, what went wrong."""

from http import HTTPStatus
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from consumers.desk.desk import Desk
from consumers.desk.paging import PAGE_SIZE, Paging, departments_shown, page_asked, url
from pipeline.ledger import ticket_list
from pipeline.ledger.blockades import STANDING
from pipeline.ledger.ticket_list import Choice, Counts
from schemas.tickets import CLOSED


class Asked(NamedTuple):
    """What the list is asked for in its URL. Anything it does not understand means the first page of all."""

    dept_code: str = ""
    overdue: bool = False
    page: int = 1

    @classmethod
    def of(cls, request: Request) -> "Asked":
        """From the query string."""
        query = request.query_params
        return cls(query.get("department", ""), query.get("overdue") == "1", page_asked(request))

    def url(self, page: int) -> str:
        """The same list at another page."""
        return url("/", {"department": self.dept_code, "overdue": "1" if self.overdue else "", "page": page})


class Pages:
    """The endpoints. They block, and Starlette runs them in its threads; a database that is away raises."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def tickets(self, request: Request) -> Response:
        """The list of open tickets."""
        asked, now = Asked.of(request), self._desk.clock()
        with self._desk.snapshot() as connection:
            counts = ticket_list.counts(connection, now, self._desk.midnight(1))
            chosen = _sum(counts, asked.dept_code)
            paging = Paging.of(asked.page, chosen.overdue if asked.overdue else chosen.open)
            choice = Choice(asked.dept_code or None, now if asked.overdue else None)
            # not asked of the database when nothing matches: an unknown department is any text of a stranger's
            rows = ticket_list.page(connection, choice, paging.offset, PAGE_SIZE) if paging.total else []
            blocked = connection.execute(text(STANDING)).all()
        shown = departments_shown(sorted(counts, key=lambda code: -counts[code].open))
        context = {"asked": asked, "now": now, "counts": counts, "chosen": chosen, "blocked": blocked}
        context |= {"departments": sorted(shown)}
        return self._desk.show(request, "list.html", context | {"paging": paging, "rows": rows})

    def ticket(self, request: Request) -> Response:
        """One ticket. 404 if there is none of this id."""
        ticket_id: UUID = request.path_params["ticket_id"]
        with self._desk.snapshot() as connection:
            whole = ticket_list.one(connection, ticket_id)
        if whole is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        context = {"now": self._desk.clock(), "closed": CLOSED, **whole._asdict()}
        return self._desk.show(request, "ticket.html", context)

    def healthz(self, _: Request) -> Response:
        """200 if the database answers, else 503 with what is wrong."""
        try:
            with self._desk.ledger.connect() as connection:
                connection.execute(text("select 1"))
        except SQLAlchemyError as error:
            problem = f"the database does not answer ({type(error).__name__}): see `hcp status`\n"
            return PlainTextResponse(problem, HTTPStatus.SERVICE_UNAVAILABLE)
        return PlainTextResponse("ok\n")

    def problem(
        self, request: Request, status: HTTPStatus, headers: dict[str, str] | None = None
    ) -> Response:
        """The page that says what went wrong. Does not touch the database."""
        return self._desk.show(request, "problem.html", {"status": status.value}, status.value, headers)


def _sum(counts: dict[str, Counts], dept_code: str) -> Counts:
    if dept_code:
        return counts.get(dept_code, Counts())
    return Counts(*(sum(numbers) for numbers in zip(*counts.values(), strict=True))) if counts else Counts()
