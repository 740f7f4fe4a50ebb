"""When a month's key is due, what holds it, and that destroying takes those and no others."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger.failures import Stop
from pipeline.ledger.key_retention import destroy_due, due_at, is_due, line_of, lines, missing, survey
from pipeline.ledger.portion import Portion, Record
from pipeline.month_keys import MonthKeys
from pipeline.sealing import KeyDestroyed, Sealer
from schemas.tickets import CLOSED, State
from schemas.topics import Stream
from tests.harness import review
from tests.ledger.test_fold import Ledger, book  # noqa: F401  `book` is a fixture
from tests.ledger.test_month_keys import AT

THREE_YEARS = timedelta(days=1096)
END = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("closing", "still_open", "due"),
    [
        (None, 0, END + THREE_YEARS),
        (END - DAY, 0, END + THREE_YEARS),
        (END + 400 * DAY, 0, END + 400 * DAY + THREE_YEARS),
        (None, 1, None),
        (END + 400 * DAY, 1, None),
    ],
)
def test_a_key_is_due_three_years_after_month_and_last_closing_and_no_ticket_is_open(
    closing: datetime | None, still_open: int, due: datetime | None
) -> None:
    assert due_at(END, closing, still_open, THREE_YEARS) == due
    if due is not None:
        assert is_due(END, closing, still_open, due, THREE_YEARS)
        assert not is_due(END, closing, still_open, due - timedelta(microseconds=1), THREE_YEARS)
    else:
        assert not is_due(END, closing, still_open, END + 1000 * THREE_YEARS, THREE_YEARS)


@given(
    st.none() | st.integers(-3000, 3000), st.integers(0, 3), st.integers(-3000, 6000), st.integers(1, 3000)
)
def test_no_key_is_due_while_anything_of_it_is_younger(
    closing_days: int | None, still_open: int, now_days: int, retention_days: int
) -> None:
    closing = None if closing_days is None else END + closing_days * DAY
    now, retention = END + now_days * DAY, retention_days * DAY
    due = is_due(END, closing, still_open, now, retention)
    young = [at for at in (END, closing) if at is not None and at > now - retention]
    assert due == (not still_open and not young)
    assert not due or is_due(END, closing, still_open, now + DAY, retention), "what is due stays due"


WHO = {"name": "张三", "phone": "19900001234"}
JANUARY = AT + timedelta(days=60)
LATER = END + THREE_YEARS + timedelta(days=40)
"""November and December are over for more than three years then, January is not."""


def told(book: Ledger, at: datetime, *events: dict[str, Any] | bytes) -> None:  # noqa: F811
    """Fold these reviews, which the log took at `at`."""
    ((start,),) = book.ask("select next_offset from stream_position where topic = 'review' and partition = 0")
    submitted = {"submitted_at": (at - timedelta(hours=1)).isoformat()}
    values = [one if isinstance(one, bytes) else json.dumps(one | submitted).encode() for one in events]
    at_ms = int(at.timestamp() * 1000)
    records = [Record(start + n, at_ms, b"k", (), value) for n, value in enumerate(values)]
    book.fold(Portion(Stream.REVIEW, "review", 0, start, start + len(records), records))


def step(book: Ledger, case_no: str, number: int, state: State, at: datetime) -> None:  # noqa: F811
    """What a person did with the ticket of this case."""
    book.ask(
        "insert into office.ticket_step (ticket_id, step_no, step, state, dept_code, actor_role, at)"
        f" select ticket_id, {number}, 's', '{state.value}', 'd', 'r', '{at.isoformat()}' from ticket"
        f" where case_no = '{case_no}' returning 1"
    )


def keys_of(book: Ledger) -> MonthKeys:  # noqa: F811
    """As another process has them."""
    return MonthKeys(book.settings.seal.months)


def destroyed(book: Ledger, now: datetime = LATER) -> list[int]:  # noqa: F811
    return destroy_due(book.pool, keys_of(book), now, THREE_YEARS, "worker-1")


@pytest.mark.system
def test_the_survey_counts_what_a_months_key_seals_and_whose_tickets_are_open(book: Ledger) -> None:  # noqa: F811
    told(
        book,
        AT,
        review("A", 1, reviewer=WHO),
        review("B", 2, reviewer=WHO),
        review("C", 5, reviewer=WHO),
        review("D", 1),
    )
    told(book, JANUARY, review("E", 5, reviewer=WHO), b"{", b"[]")
    found = survey(book.pool)
    november, january = found.months[202611], found.months[202701]
    assert (november.identities, november.letters, november.open_tickets, november.last_closing) == (
        3,
        0,
        2,
        None,
    )
    assert (january.identities, january.letters, january.open_tickets) == (1, 2, 0)
    assert set(found.months) == {202611, 202701}
    assert found.oldest == AT
    assert missing(found, keys_of(book).entries()) == set()
    assert missing(found, []) == november.key_ids | january.key_ids


@pytest.mark.system
@pytest.mark.parametrize("state", sorted(CLOSED))
def test_the_last_closing_counts_and_a_ticket_that_is_open_again_holds(book: Ledger, state: str) -> None:  # noqa: F811
    told(book, AT, review("A", 1, reviewer=WHO), review("B", 1, reviewer=WHO))
    step(book, "A", 1, State(state), END + 5 * DAY)
    step(book, "B", 1, State.VERIFYING, END + 6 * DAY)
    step(book, "B", 2, State(state), END + 9 * DAY)
    sealed = survey(book.pool).months[202611]
    assert (sealed.open_tickets, sealed.last_closing) == (0, END + 9 * DAY)
    step(book, "B", 3, State.RECTIFYING, END + 10 * DAY)
    sealed = survey(book.pool).months[202611]
    assert (sealed.open_tickets, sealed.last_closing) == (1, END + 5 * DAY)


@pytest.mark.system
def test_a_bad_follow_up_has_a_ticket_and_a_month_of_its_own(book: Ledger) -> None:  # noqa: F811
    told(book, AT, review("A", 1, reviewer=WHO))
    told(book, JANUARY, review("A", 2, review_no=2, reviewer=WHO), review("B", 5, review_no=2, reviewer=WHO))
    found = survey(book.pool).months
    assert (found[202611].open_tickets, found[202701].open_tickets, found[202701].identities) == (1, 1, 2)


@pytest.mark.system
def test_the_worker_destroys_what_is_due_and_nothing_else(
    book: Ledger,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    december = AT + timedelta(days=20)
    told(book, AT, review("A", 1, reviewer=WHO), b"{")
    told(book, december, review("B", 1, reviewer=WHO), review("C", 5, reviewer=WHO))
    told(book, JANUARY, review("D", 5, reviewer=WHO))
    step(book, "A", 1, State.CLOSED, AT + 5 * DAY)
    before = book.ask("select event_id, reviewer from review order by case_no")
    assert destroyed(book, END + THREE_YEARS - DAY) == []
    with caplog.at_level("WARNING"):
        assert destroyed(book) == [202611], "December is held by an open ticket, January is too young"
    assert [
        (r.message, r.__dict__["month"], r.__dict__["identities"], r.__dict__["dead_letters"])
        for r in caplog.records
    ] == [("month_key_destroyed", 202611, 1, 1)]
    assert destroyed(book) == [], "once"
    assert book.ask("select event_id, reviewer from review order by case_no") == before
    sealer = Sealer(book.settings.seal)
    event_id, reviewer = before[0]
    with pytest.raises(KeyDestroyed, match="its retention was over"):
        sealer.open_reviewer(event_id, reviewer)
    assert [sealer.open_reviewer(*row).phone for row in before[1:]] == [WHO["phone"]] * 3
    step(book, "B", 1, State.CLOSED, AT + 30 * DAY)
    assert destroyed(book) == [202612]


@pytest.mark.system
def test_a_ledger_that_begins_later_destroys_no_key_of_before(book: Ledger) -> None:  # noqa: F811
    """A database made anew, whose backup is not restored yet."""
    keys_of(book).sealing(AT)
    assert destroyed(book) == [], "an empty one"
    told(book, JANUARY, review("A", 5))
    assert destroyed(book) == []
    told(book, AT, review("B", 5))
    assert destroyed(book) == [202611], "the twin: one that reaches back to that month"


@pytest.mark.system
def test_a_key_that_a_copy_of_the_folder_brought_back_goes_again(book: Ledger) -> None:  # noqa: F811
    told(book, AT, review("A", 5, reviewer=WHO))
    file = book.settings.seal.months / "m202611.key"
    key = file.read_bytes()
    assert destroyed(book) == [202611]
    file.write_bytes(key)
    assert destroyed(book) == [202611]
    assert not file.exists()


@pytest.mark.system
def test_keys_that_are_missing_are_told(book: Ledger, caplog: pytest.LogCaptureFixture) -> None:  # noqa: F811
    told(book, AT, review("A", 5, reviewer=WHO))
    (key_id,) = survey(book.pool).months[202611].key_ids
    (book.settings.seal.months / "m202611.key").unlink()
    with caplog.at_level("ERROR"):
        destroyed(book, AT)
    assert [(record.message, record.__dict__["keys"]) for record in caplog.records] == [
        ("month_keys_missing", key_id)
    ]
    (line,) = lines(book.settings)
    assert (
        line.shown(ZONE)
        == f"2026-11  no key here  1 identities  0 dead letters  due {DUE}  NOT HERE: {key_id}"
    )


@pytest.mark.system
def test_what_only_looks_like_a_months_key_is_no_month(book: Ledger) -> None:  # noqa: F811
    """Whoever may write to the topic may write any id."""
    ids = [
        "m000000aaaaaaaa",
        "m202613aaaaaaaa",
        "m202611",
        "m202611AAAAAAAA",
        "main",
        *(f"m202610{n:08x}" for n in range(9)),
    ]
    told(book, AT, *(review(f"F{n}", reviewer=f"s1.{key_id}.{'A' * 30}") for n, key_id in enumerate(ids)))
    (line,) = lines(book.settings)
    assert (line.month, line.identities, len(line.missing)) == (202610, 9, 9)
    assert line.shown(ZONE).endswith("NOT HERE: " + ", ".join(ids[5:10]) + " and 4 more")


ZONE = ZoneInfo("Asia/Shanghai")
DUE = "2029-12-01 08:00:00+08:00"


@pytest.mark.system
def test_a_list_says_of_each_month_what_becomes_of_it(book: Ledger) -> None:  # noqa: F811
    told(book, AT, review("A", 1, reviewer=WHO))
    told(book, JANUARY, review("B", 5, reviewer=WHO), b"{")
    held, due = lines(book.settings)
    assert held.shown(ZONE).endswith("1 identities  0 dead letters  held by 1 open tickets")
    assert due.shown(ZONE).endswith("1 identities  1 dead letters  due 2030-02-01 08:00:00+08:00")
    assert held.shown(ZONE).startswith("2026-11  made 20")
    keys_of(book).destroy(202611, datetime(2027, 3, 1, tzinfo=UTC), "li", "a court's order")
    gone = lines(book.settings)[0]
    assert gone.shown(ZONE).endswith("destroyed 2027-03-01 08:00:00+08:00 by li: a court's order")
    said = gone.as_json()
    assert (said["month"], said["due"], said["destroyed"]["by"]) == ("2026-11", None, "li")


@pytest.mark.system
def test_what_cannot_be_destroyed_is_a_sentence(book: Ledger) -> None:  # noqa: F811
    told(book, AT, review("A", 1, reviewer=WHO))
    for words, now, said in (
        ("november", LATER, "november is no month: write it as 2026-11"),
        ("2026-10", LATER, "has no key of 2026-10: see `hcp seal list`"),
        ("2026-11", END - DAY, r"2026-11 \(UTC\) has not ended"),
    ):
        with pytest.raises(Stop, match=said):
            line_of(book.settings, words, now)
    assert line_of(book.settings, "2026-11", END).open_tickets == 1
    keys_of(book).destroy(202611, END, "li", "why")
    with pytest.raises(Stop, match=r"destroyed .* by li: why: nothing is left to destroy"):
        line_of(book.settings, "m202611", LATER)
