"""A record that the database refuses with an error that nobody expects: its batch fails of itself, again and again."""

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.topics import Stream
from tests.harness import System, case, review

ERRORS = ("XX001", "42P01", "P0001")
"""A damaged page, a table that is not there, a trigger of somebody's own."""
_TABLES = {Stream.CASE: "service", Stream.REVIEW: "review"}


@contextmanager
def refused(system: System, stream: Stream, case_no: str, code: str) -> Iterator[None]:
    """While it is entered, every row of this case that the stream brings is refused with this SQLSTATE."""
    system.tell(
        "create function ledger.refuse_live() returns trigger language plpgsql as $$ begin"
        f" if new.case_no = '{case_no}' then raise exception 'refused by the test' using errcode = '{code}'; end if;"
        " return new; end $$"
    )
    system.tell(
        f"create trigger refuse_live before insert or update on {_TABLES[stream]}"
        " for each row execute function ledger.refuse_live()"
    )
    try:
        yield
    finally:
        system.tell("drop function ledger.refuse_live cascade")


def event(stream: Stream, case_no: str) -> dict[str, object]:
    """A good record of that case."""
    return case(case_no) if stream is Stream.CASE else review(case_no, 1)
