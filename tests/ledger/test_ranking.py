"""Whose review counts, on PostgreSQL: what comes through another's link moves nothing of the citizen's own, in any crowd."""

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest

from pipeline.ledger import case_versions, reroute
from pipeline.ledger.held import hold
from pipeline.rules.ownership import Owner
from pipeline.rules.policy import Policy
from pipeline.rules.records import Key
from schemas.topics import Stream
from tests.harness import DEPT, case, now, review
from tests.ledger.test_fold import Ledger, book, portion_of  # noqa: F401  `book` is a fixture

pytestmark = pytest.mark.system
A, B = "/system/a", "/system/b"
OWN_WAYS = (B, "/qr", "/terminal/t1", "/paper")
ATTEMPTS, MANY_ATTEMPTS = 400, 10_000
BATCH = 100
COUNTING = """
    select r.case_no, r.service_no, r.review_no, r.event_id, r.satisfaction, s.outcome, s.open_since, s.received_at
    from review r join service s using (case_no, service_no) where r.effective and r.sender <> '/system/a' order by 1, 2, 3"""
TICKETS = """
    select ticket_id::text, t.dept_code, routed_by, opened_at, due_at from ticket t
    join review r using (case_no, service_no, review_no, event_id, digest) where r.sender <> '/system/a' order by 1"""
FIGURES = """
    select dept_code, sum(services)::int, sum(reviewed)::int, sum(cases_on_time)::int, sum(matched)::int, sum(matched_late)::int,
        sum(unpaired)::int, sum(level_1)::int, sum(level_2)::int, sum(level_3)::int, sum(level_4)::int, sum(level_5)::int
    from counter group by 1 having sum(services) <> 0 or sum(unpaired) <> 0 order by 1"""
Said = tuple[Stream, str, dict[str, Any]]
"""Where an event goes, who is signed as its sender, what it says."""


def of_b(services: int, random: Random) -> list[Said]:
    """Cases of B's system, each with its citizen's first review by a way of his own, some with a follow-up."""
    said: list[Said] = []
    for n in range(services):
        named: dict[str, Any] = {"case_no": f"B{n // 2}", "service_no": 1 + n % 2}
        said.append((Stream.CASE, B, case(**named, event_id=f"c{n}", received_at=now(minutes=60))))
        for number in (1, 2) if n % 3 == 0 else (1,):
            one = review(
                satisfaction=random.randint(1, 5), **named, review_no=number, event_id=f"r{n}-{number}",
                received_at=now(minutes=random.randint(20, 50)),
            )  # fmt: skip
            said.append((Stream.REVIEW, random.choice(OWN_WAYS), one))
    return said


def of_a(attempts: int, theirs: list[Said], random: Random) -> list[Said]:
    """Reviews through A's links of what B's citizens have reviewed, before and after them, at both levels."""
    reviewed = [event for stream, _, event in theirs if stream is Stream.REVIEW]
    said = []
    for n in range(attempts):
        one = random.choice(reviewed)
        fields = {name: one[name] for name in ("case_no", "service_no", "review_no")}
        fields["event_id"] = random.choice([f"a{n}", f"0{n}", f"~{n}", one["event_id"]])
        fields["channel"] = random.choice(["qr", "app", "mini_program", "sms", "pc", "default"])
        fields["dept_code"] = random.choice(["", DEPT, "610326"])
        at = now(minutes=random.randint(1, 90), seconds=n % 60)
        said.append((Stream.REVIEW, A, review(**fields, satisfaction=random.randint(1, 5), received_at=at)))
    return said


class Log:
    """Folds what was said, in this order, in batches."""

    def __init__(self, made: Ledger) -> None:
        self.book = made
        self.ends = dict.fromkeys((Stream.CASE, Stream.REVIEW), 0)

    def fold(self, said: Iterable[Said]) -> None:
        for stream, sender, event in said:
            self.book.fold(portion_of(stream, self.ends[stream], event, sender=sender))
            self.ends[stream] += 1

    def fold_all(self, said: list[Said]) -> None:
        """Of each batch those of one stream and sender together."""
        for start in range(0, len(said), BATCH):
            batch = said[start : start + BATCH]
            for stream, sender in sorted({one[:2] for one in batch}):
                events = [event for *of, event in batch if of == [stream, sender]]
                self.book.fold(portion_of(stream, self.ends[stream], *events, sender=sender))
                self.ends[stream] += len(events)

    def picture(self) -> list[Any]:
        reroute.finish(self.book.pool, self.book.folder)
        return [self.book.ask(question) for question in (COUNTING, TICKETS, FIGURES)]


@pytest.fixture
def log(book: Ledger) -> Log:  # noqa: F811
    return Log(book)


def attack(made: Ledger, attempts: int, seed: int) -> None:
    random = Random(seed)
    theirs = of_b(max(20, attempts // 40), random)
    log = Log(made)
    log.fold_all(theirs)
    before = log.picture()
    made.clear()
    log = Log(made)
    both = [*theirs, *of_a(attempts, theirs, random)]
    random.shuffle(both)
    log.fold_all(both)
    assert log.picture() == before
    assert made.ask("select count(*)::int from review where sender = '/system/a'") > [(attempts // 2,)]
    made.ask("update outbox set sent_at = now() returning 1")  # the relay is not here
    assert made.wrong_rows() == []


def test_a_outranks_nothing_of_bs(book: Ledger, whole: int) -> None:  # noqa: F811
    attack(book, ATTEMPTS, whole)


@pytest.mark.long
def test_a_outranks_nothing_of_bs_in_ten_thousand_attempts(book: Ledger) -> None:  # noqa: F811
    attack(book, MANY_ATTEMPTS, 1)


def counting(made: Ledger) -> list[str]:
    return [event_id for (event_id,) in made.ask("select event_id from review where effective order by 1")]


@pytest.mark.usefixtures("whole")
def test_what_counts_changes_with_the_owner_of_a_crowd(book: Ledger, log: Log) -> None:  # noqa: F811
    """Reviews through two systems' links, none by a way of the county's own; their cases come late, the first one last."""
    for n in range(8):
        for sender in (A, B):
            said = review(
                "X", 1, event_id=f"{sender[-1]}{n}", received_at=now(minutes=40 - n - (sender == B))
            )
            log.fold([(Stream.REVIEW, sender, said)])
    assert counting(book) == ["a0"], "nobody's yet"
    log.fold([(Stream.CASE, B, case("X", received_at=now(minutes=20)))])
    assert counting(book) == ["b0"]
    log.fold([(Stream.CASE, A, case("X", received_at=now(minutes=30), dept_code="610326"))])
    assert counting(book) == ["a0"]
    log.fold([(Stream.REVIEW, "/qr", review("X", 5, event_id="own", received_at=now(minutes=1)))])
    assert counting(book) == ["a0"], "the owner's came first"
    reroute.finish(book.pool, book.folder)
    assert book.ask("select count(*)::int from ticket where dept_code = '610326'") == [(16,)]
    assert book.wrong_rows() == []


@pytest.mark.usefixtures("few_are_a_crowd")
def test_the_next_of_a_crowd_counts_when_the_first_was_anothers(book: Ledger, log: Log) -> None:  # noqa: F811
    """A copy of it comes later that was received earlier, through another's link."""
    reviews = [review("X", event_id=f"r{n}", received_at=now(minutes=30 - n)) for n in range(6)]
    log.fold([(Stream.CASE, B, case("X", received_at=now(minutes=50)))])
    log.fold([(Stream.REVIEW, "/qr", one) for one in reviews])
    copies = [one | {"received_at": now(minutes=40 - n)} for n, one in enumerate(reviews[:3])]
    book.fold(portion_of(Stream.REVIEW, 6, *copies, sender=A))
    assert counting(book) == ["r3"]
    assert book.wrong_rows() == []


@pytest.mark.usefixtures("few_are_a_crowd")
def test_of_a_crowd_the_first_of_every_sort_is_read_and_no_other(book: Ledger, log: Log) -> None:  # noqa: F811
    log.fold([(Stream.CASE, B, case("X", received_at=now(minutes=60)))])
    for start, sender in enumerate((A, B, "/qr", "/paper")):
        reviews = [
            review("X", event_id=f"{sender}{n:02}", received_at=now(minutes=50 - n - start))
            for n in range(20)
        ]
        book.fold(portion_of(Stream.REVIEW, 20 * start, *reviews, sender=sender))
    with book.connection.cursor() as cursor:
        dossier = hold(cursor, {Key("X", 1)}, (), Policy())[Key("X", 1)]
    book.connection.rollback()
    assert {one.event_id for one in dossier.reviews} == {f"{A}00", f"{B}00", "/qr00"}
    assert dossier.review_records == 80


@pytest.mark.usefixtures("whole")
def test_the_owner_is_found_by_the_first_version(book: Ledger, log: Log) -> None:  # noqa: F811
    def owner(service_no: int = 1) -> Owner | None:
        with book.pool.connect() as connection:
            return case_versions.owner_of(connection, "X", service_no)

    log.fold([(Stream.REVIEW, B, review("X"))])
    assert owner() is None, "a placeholder"
    for n in range(5):
        log.fold([(Stream.CASE, B, case("X", event_id=f"b{n}", received_at=now(minutes=30 - n)))])
        assert owner() == Owner(DEPT, B)
    log.fold([(Stream.CASE, A, case("X", dept_code="610326", received_at=now(minutes=10)))])
    assert owner() == Owner(DEPT, B)
    log.fold([(Stream.CASE, A, case("X", dept_code="610326", received_at=now(minutes=40)))])
    assert owner() == Owner("610326", A)
    assert owner(2) is None
