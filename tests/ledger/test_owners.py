"""Whose a service is, on PostgreSQL: what others send of it moves nothing of its owner's, and costs the same."""

import json
from random import Random
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.ledger import identities, reroute
from pipeline.settings import Settings, environment
from schemas.topics import Stream
from tests.harness import DEPT, case, decision, now, review
from tests.ledger.test_fold import Ledger, book, portion_of  # noqa: F401  `book` is a fixture

pytestmark = pytest.mark.system
OTHER = "610326"
ATTEMPTS, MANY_ATTEMPTS = 400, 10_000
DECISIONS = 10
"""Of a hundred attempts so many also decide: nobody of ours has signed it."""
TOLD = "select count(*) from outbox where stream = 'ticket.v1'"
OWNED = """
    select s.case_no, s.service_no, s.event_id, s.dept_code, s.served_at, s.received_at, s.outcome, s.open_since,
        array(select (t.ticket_id, t.dept_code, t.routed_by, t.opened_at)::text from ticket t
            where (t.case_no, t.service_no) = (s.case_no, s.service_no) order by 1)
    from service s order by 1, 2"""
ON_TIME = "select dept_code, sum(services)::int, sum(cases_on_time)::int, sum(matched)::int, sum(matched_late)::int from counter group by 1 having sum(services) <> 0 order by 1"


def versions_of_b(n: int) -> list[dict[str, Any]]:
    """The owner's first records and some corrections of his."""
    return [
        case(f"B{i}", service_no=service, event_id=f"b{i}-{service}-{v}", received_at=now(minutes=60 - v))
        for i in range(n)
        for service in (1, 2)
        for v in range(1 + i % 3)
    ]


def attempt(random: Random, theirs: list[dict[str, Any]], n: int) -> dict[str, Any]:
    """A record of A's system for one of B's services: any of his fields, his ids, later ones."""
    mine = dict(random.choice(theirs))
    changes: dict[str, Any] = {
        "event_id": random.choice([mine["event_id"], f"a{n}", f"0{n}", f"~{n}"]),
        "status": random.choice(["accepted", "in_progress", "completed"]),
        "served_at": now(minutes=random.randint(0, 10_000)),
        "item_name": random.choice(["", str(n)]),
        "source": random.choice(["", "/system/b"]),
        "window_code": random.choice(["", "W"]),
        "handling_mode": random.choice(["online", "offline"]),
    }
    chosen = random.sample(sorted(changes), random.randint(0, len(changes)))
    mine |= {name: changes[name] for name in chosen}
    return mine | {"dept_code": OTHER, "received_at": now(minutes=random.randint(0, 50), seconds=n % 60)}


def attack(book: Ledger, attempts: int, seed: int) -> None:  # noqa: F811
    random, theirs = Random(seed), versions_of_b(12)
    reviews = [review(one["case_no"], random.randint(1, 5), service_no=one["service_no"]) for one in theirs]
    book.fold(portion_of(Stream.CASE, 0, *theirs, sender="/system/b"), portion_of(Stream.REVIEW, 0, *reviews))
    before, on_time = book.ask(OWNED), book.ask(ON_TIME)
    at, told = len(theirs), book.ask(TOLD)
    for start in range(0, attempts, 100):
        tries = [attempt(random, theirs, n) for n in range(start, start + 100)]
        sender = random.choice(["/system/a", ""])
        book.fold(portion_of(Stream.CASE, at + start, *tries, sender=sender))
        mine = [decision(one["case_no"], OTHER, service_no=one["service_no"]) for one in tries[:DECISIONS]]
        book.fold(portion_of(Stream.DECISION, start // 100 * DECISIONS, *mine))
    reroute.finish(book.pool, book.folder)
    assert book.ask(OWNED) == before
    assert book.ask(ON_TIME) == on_time
    assert book.ask(TOLD) == told, "nobody is told anything"
    assert book.ask("select count(*)::int from dead_letter where reason = 'not_signed'") == [
        (attempts // 100 * DECISIONS,)
    ]
    assert book.ask("select count(*)::int from service where disputed") != [(0,)]
    book.ask("update outbox set sent_at = now() returning 1")  # the relay is not here
    assert book.wrong_rows() == []


def test_a_moves_nothing_of_bs(book: Ledger, whole: int) -> None:  # noqa: F811
    attack(book, ATTEMPTS, whole)


@pytest.mark.long
def test_a_moves_nothing_of_bs_in_ten_thousand_attempts(book: Ledger) -> None:  # noqa: F811
    attack(book, MANY_ATTEMPTS, 1)


def test_the_owner_corrects_what_others_have_said_much_of(book: Ledger) -> None:  # noqa: F811
    theirs = [case("A", dept_code=OTHER, item_name=str(n), received_at=now(minutes=5)) for n in range(40)]
    book.fold(portion_of(Stream.CASE, 0, case("A", event_id="own", received_at=now(minutes=9))))
    book.fold(portion_of(Stream.CASE, 1, *theirs, sender="/system/a"))
    assert book.ask("select event_id, dept_code, disputed, versions from service") == [
        ("own", DEPT, True, 41)
    ]
    fix = case("A", event_id="fix", received_at=now(minutes=7))
    book.fold(portion_of(Stream.CASE, 41, fix))
    assert book.ask("select event_id, dept_code from service") == [("fix", DEPT)]
    assert book.wrong_rows() == []


def test_an_earlier_version_makes_another_owner_whose_latest_word_is_found(book: Ledger) -> None:  # noqa: F811
    """Of a crowd; and those whom the same system signed are his, so that nothing is disputed in the end."""
    mine = [case("A", event_id=f"m{n:02}", received_at=now(minutes=50 - n)) for n in range(30)]
    theirs = [
        case("A", event_id=f"t{n:02}", dept_code=OTHER, received_at=now(minutes=40 - n)) for n in range(30)
    ]
    book.fold(portion_of(Stream.CASE, 0, *mine, sender="/system/b"))
    book.fold(portion_of(Stream.CASE, 30, *theirs, sender="/system/b"))
    assert book.ask("select event_id, disputed from service") == [("t29", False)]
    strangers = case("A", event_id="s", dept_code=OTHER, received_at=now(minutes=90))
    book.fold(portion_of(Stream.CASE, 60, strangers, sender="/system/a"))
    assert book.ask("select event_id, disputed from service") == [("t29", True)]
    first = case("A", event_id="f", dept_code=OTHER, received_at=now(minutes=99))
    book.fold(portion_of(Stream.CASE, 61, first, sender="/system/b"))
    assert book.ask("select event_id, disputed from service") == [("t29", False)]
    assert book.wrong_rows() == []


def test_what_is_read_of_the_versions_does_not_grow_with_them(book: Ledger) -> None:  # noqa: F811
    """However few of them the planner thinks there are."""
    one = json.dumps(case("A"))
    with book.connection.cursor() as cursor:
        cursor.execute(
            'insert into case_version (case_no, service_no, event_id, digest, received_at, topic, partition, "offset",'
            " event, sender, dept_code) select 'A', 1, n::text, gen_random_uuid(), now() - make_interval(secs => n), 'case', 0, n,"
            " %s::jsonb || jsonb_build_object('dept_code', 'D' || n %% 3), case when n %% 2 = 0 then '/b' else '' end, 'D' || n %% 3"
            " from generate_series(1, 20000) n",
            [one],
        )
        found = identities.contenders(cursor, [("A", 1, "D1", "/b", 2)])
        cursor.execute(identities._UNSORTED)
        cursor.execute(
            "explain (analyze, buffers off, format json) " + identities._CONTENDERS,
            [["A"], [1], ["D1"], ["/b"], [2]],
        )
        ((plan,),) = cursor.fetchall()
    book.connection.rollback()
    assert {(e.sender, e.event.dept_code) for e in found} == {
        *(("/b", f"D{n}") for n in range(3)),
        *(("", f"D{n}") for n in range(3)),
    }
    assert {"2", "4", "6"} <= {e.event_id for e in found if e.sender}, "the last of each department"
    assert most_rows(plan[0]["Plan"]) < 50


def test_a_command_says_who_says_what(book: Ledger, ledger: Settings) -> None:  # noqa: F811
    at = "2026-11-02T08:00:00+08:00"
    book.fold(portion_of(Stream.CASE, 0, case("A", received_at=at, served_at=at), sender="/system/b"))
    later = [
        case("A", dept_code=OTHER, served_at=at, received_at=f"2026-11-02T09:0{n}:00+08:00") for n in (0, 1)
    ]
    book.fold(portion_of(Stream.CASE, 1, *later, sender="/system/a"))

    def said(*words: str) -> str:
        return CliRunner().invoke(app, ["case", "show", *words], env=environment(ledger)).stdout

    lines = said("A").splitlines()
    assert lines[0].startswith(f"* {DEPT}  /system/b  1  2026-11-02 08:00")
    assert lines[1].startswith(f"  {OTHER}  /system/a  2  2026-11-02 09:00:00+08:00 to 2026-11-02 09:01")
    assert [one["versions"] for one in json.loads(said("A", "1", "--json"))["said"]] == [1, 2]
    assert said("A", "2") == "no case record of A, service 2\n"


def most_rows(plan: dict[str, Any]) -> float:
    """The most rows that a node of the plan has seen, those thrown away among them."""
    seen = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    most: float = max([seen, *map(most_rows, plan.get("Plans", []))])
    return most
