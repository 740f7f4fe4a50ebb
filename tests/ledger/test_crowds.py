"""Services with many records, of which not all are read again: the ledger is the same as if they were."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.ledger import reroute
from pipeline.ledger.decode import decode
from pipeline.ledger.entries import hex_digits
from pipeline.ledger.held import hold
from pipeline.ledger.sweep import sweep
from pipeline.rules import crowd, records
from pipeline.rules.fold import Arrival
from pipeline.rules.measures import MEASURES
from pipeline.rules.policy import Policy
from pipeline.rules.records import Dossier, Key
from schemas.topics import Stream
from tests.harness import DEPT, case, now, review
from tests.ledger.test_fold import PARTITIONS, Ledger, book, portion_of  # noqa: F401  `book` is a fixture
from tests.model import Model, modelled
from tests.strategies import crowding

pytestmark = pytest.mark.system
EARLIER, AT, LATER = now(minutes=4), now(minutes=3), now(minutes=2)
Id = tuple[Any, ...]
"""As the model has it: key, kind, event id, digest."""


@pytest.fixture(autouse=True)
def _small() -> Any:
    """Three records are a crowd, two entries are many, two tickets a portion."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crowd, "WHOLE", 2)
        patch.setattr(records, "FEW", 1)
        patch.setattr(reroute, "PORTION", 2)
        yield


def identity(case_no: str, service_no: int, kind: object, event_id: str, digest: Any) -> Id:
    return (case_no, service_no, "" if case_no else event_id, kind, event_id, hex_digits(digest))


def modelled_services(model: Model) -> dict[Id, Id]:
    services: dict[Id, Id] = {}
    for key in model.services():
        if key[0]:
            cases, reviews = model.under(key, "case"), [i for n in (1, 2) for i in model.under(key, n)]
            services[key[:2]] = (
                model.outcome(key), model.open_since(key), min(map(model.received, cases), default=None),
                model.disputed(key), len(cases), len(reviews),
                len(cases) > crowd.WHOLE or len(reviews) > crowd.WHOLE,
            )  # fmt: skip
    return services


def kept_services(book: Ledger) -> dict[Id, Id]:  # noqa: F811
    columns = "outcome, open_since, received_at, disputed, versions, reviews, crowd is not null"
    return {row[:2]: row[2:] for row in book.ask(f"select case_no, service_no, {columns} from service")}


def modelled_entries(model: Model) -> dict[Id, Id]:
    """Every version and review: when it was received, whether it holds or counts, what is odd about it."""
    bodies: dict[Id, set[Id]] = defaultdict(set)
    for i in model.copies:
        bodies[i[:5]].add(i)
    entries = {}
    for i, copies in model.copies.items():
        flags = {flag for arrival in copies for flag in arrival.entry.flags}
        if len(bodies[i[:5]]) > 1:
            flags.add("id_reused")
        if i[3] == "decision":
            holds = False
        else:
            best = model.current(i[:3]) if i[3] == "case" else model.effective(i[:3], i[3])
            holds = i == best or not i[0]
        entries[i] = (model.received(i), holds, sorted(flags))
    return entries


def kept_entries(book: Ledger) -> dict[Id, Id]:  # noqa: F811
    rows = book.ask(
        "select case_no, service_no, 'case', event_id, digest, received_at, false, flags from case_version"
        " union all select case_no, service_no, 'case', event_id, digest, version_received_at, true, flags"
        " from service where not placeholder"
        " union all select case_no, service_no, 'decision', event_id, digest, received_at, false, flags from decision"
    )
    rows += book.ask(
        "select case_no, service_no, review_no, event_id, digest, received_at, effective, flags from review"
    )
    return {identity(*row[:5]): row[5:] for row in rows}


def kept_tickets(book: Ledger) -> dict[Id, Id]:  # noqa: F811
    rows = book.ask(
        "select case_no, service_no, review_no, event_id, digest, dept_code, opened_at from ticket"
    )
    return {identity(*row[:5]): row[5:] for row in rows}


def told_tickets(book: Ledger) -> dict[UUID, Id]:  # noqa: F811
    """What the log was told last of each ticket."""
    told: dict[UUID, Id] = {}
    for (value,) in book.ask("select value from outbox where stream = 'ticket.v1' order by id"):
        event = json.loads(bytes(value))
        told[UUID(event["ticket_id"])] = event["dept_code"], datetime.fromisoformat(event["opened_at"])
    return told


def agree(book: Ledger, model: Model) -> None:  # noqa: F811
    assert kept_services(book) == modelled_services(model)
    assert kept_entries(book) == modelled_entries(model)
    assert book.wrong_senders(model) == []
    assert kept_tickets(book) == model.tickets()
    stored = {
        UUID(str(i)): tuple(row) for i, *row in book.ask("select ticket_id, dept_code, opened_at from ticket")
    }
    assert told_tickets(book) == stored
    assert book.sums("counter", MEASURES) == model.counters()
    assert book.sums("stream_position", ("stored", "duplicate", "conflict")) == +model.fates()
    assert book.wrong_rows() == []


@given(history=crowding(), data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_crowd_in_any_batches_agrees_with_the_model(
    book: Ledger,  # noqa: F811
    history: list[Arrival],
    data: st.DataObject,
) -> None:
    book.clear()
    cuts = [
        0,
        *sorted(data.draw(st.lists(st.integers(0, len(history)), min_size=3, max_size=8))),
        len(history),
    ]
    for start, end in pairwise(cuts):
        book.fold_arrivals(history[start:end], data.draw(st.sampled_from(PARTITIONS)))
        for _ in range(data.draw(st.integers(0, 2))):
            reroute.reroute(book.pool, book.folder)
    assert book.wrong_rows() == [], "what waits to be rerouted is not wrong"
    reroute.finish(book.pool, book.folder)
    agree(book, modelled(history))


def orphans(book: Ledger, n: int, start: int = 0) -> None:  # noqa: F811
    """Bad reviews of a case that has not come, two a batch."""
    for at in range(start, start + n, 2):
        bad = [
            review("A", 1 + i % 2, event_id=f"r{i}", submitted_at=AT, received_at=AT) for i in (at, at + 1)
        ]
        book.fold(portion_of(Stream.REVIEW, at, *bad))


def departments(book: Ledger) -> Counter[str]:  # noqa: F811
    return Counter(dept for (dept,) in book.ask("select dept_code from ticket where case_no = 'A'"))


def test_tickets_are_rerouted_in_portions_and_nobody_waits(book: Ledger) -> None:  # noqa: F811
    orphans(book, 8)
    book.fold(portion_of(Stream.CASE, 0, case("A", received_at=AT)))
    assert book.ask("select case_no, after from reroute") == [("A", None)]
    assert departments(book) == {"610326": 7, DEPT: 1}, "the effective one goes at once"
    moved = []
    while reroute.reroute(book.pool, book.folder):
        moved.append(departments(book)[DEPT])
        book.fold(portion_of(Stream.REVIEW, 8 + len(moved) - 1, review(f"B{len(moved)}", 1)))
        assert book.wrong_rows() == []
    assert len(moved) == 5, "the last portion is empty"
    assert all(later - before <= 2 for before, later in pairwise([1, *moved]))
    assert departments(book) == {DEPT: 8}
    assert book.ask("select * from reroute") == []


def test_what_is_told_in_portions_is_what_the_fold_would_have_told(book: Ledger) -> None:  # noqa: F811
    told = []
    for whole in (2, 100):
        crowd.WHOLE = whole
        book.clear()
        orphans(book, 8)
        book.fold(portion_of(Stream.CASE, 0, case("A", received_at=AT, served_at=AT)))
        assert book.ask("select count(*)::int from reroute") == [(int(whole == 2),)]
        reroute.finish(book.pool, book.folder)
        rows = book.ask("select key, headers::text, value from outbox")
        told.append(sorted((bytes(key), headers, bytes(value)) for key, headers, value in rows))
    assert len(told[0]) == 16
    assert told[0] == told[1]


def test_a_case_whose_owner_changes_in_the_middle_begins_anew(book: Ledger) -> None:  # noqa: F811
    orphans(book, 8)
    book.fold(portion_of(Stream.CASE, 0, case("A", received_at=AT)))
    for _ in range(2):
        reroute.reroute(book.pool, book.folder)
    assert book.ask("select after is not null from reroute") == [(True,)]
    book.fold(portion_of(Stream.CASE, 1, case("A", received_at=LATER, dept_code="D2"), sender="/b"))
    assert book.ask("select after is not null from reroute") == [(True,)], "another's, received later"
    book.fold(portion_of(Stream.CASE, 2, case("A", received_at=EARLIER, dept_code="D2"), sender="/b"))
    assert book.ask("select after from reroute") == [(None,)]
    reroute.finish(book.pool, book.folder)
    assert departments(book) == {"D2": 8}
    assert book.wrong_rows() == []


def test_a_silent_fold_reroutes_silently(book: Ledger) -> None:  # noqa: F811
    book.folder.tells = False
    orphans(book, 8)
    book.fold(portion_of(Stream.CASE, 0, case("A")))
    reroute.finish(book.pool, book.folder)
    assert departments(book) == {DEPT: 8}
    assert book.ask("select * from outbox") == []


def held(book: Ledger, stream: Stream, *events: dict[str, Any], **options: bool) -> Dossier:  # noqa: F811
    arrivals = decode(portion_of(stream, 99, *events), book.folder.sealer).arrivals
    with book.connection.cursor() as cursor:
        dossier = hold(cursor, {Key("A", 1)}, arrivals, Policy(), **options)[Key("A", 1)]
    book.connection.rollback()
    return dossier


def test_of_many_only_what_a_record_can_change_is_read(book: Ledger) -> None:  # noqa: F811
    orphans(book, 40)
    versions = [case("A", event_id=f"c{n:02}", received_at=AT, item_name=str(n)) for n in range(40)]
    for n, version in enumerate(versions):
        book.fold(portion_of(Stream.CASE, n, version))
    book.fold(portion_of(Stream.REVIEW, 40, review("A", 4, review_no=2, event_id="f", received_at=AT)))
    nothing = held(book, Stream.REVIEW)
    assert ([e.event_id for e in nothing.cases], {e.event_id for e in nothing.reviews}) == (
        ["c39", "c00"],
        {"r0", "f"},
    )
    assert nothing.unseen is not None
    assert (nothing.versions, nothing.review_records) == (40, 41)
    same_id = held(book, Stream.REVIEW, review("A", 5, event_id="r7"), review("A", 5, event_id="new"))
    assert {e.event_id for e in same_id.reviews} == {"r0", "f", "r7"}
    copies = held(book, Stream.CASE, versions[39], versions[20], case("A", event_id="c07"))
    assert {e.event_id for e in copies.cases} == {"c00", "c39", "c38", "c37", "c36", "c20", "c07"}


def test_a_service_from_before_there_were_crowds_is_counted_once(book: Ledger) -> None:  # noqa: F811
    orphans(book, 8)
    for n in range(4):
        book.fold(portion_of(Stream.CASE, n, case("A", received_at=AT, item_name=str(n))))
    ((kept,),) = book.ask("select crowd::text from service")
    book.ask("update service set crowd = null returning 1")
    assert book.wrong_rows() == []
    dossier = held(book, Stream.REVIEW)
    assert (len(dossier.cases), len(dossier.reviews)) == (2, 1)
    orphans(book, 2, start=8)
    assert book.ask("select crowd is not null, reviews from service") == [(True, 10)]
    assert (
        json.loads(kept)["versions_passed"]
        == book.ask("select crowd -> 'versions_passed' from service")[0][0]
    )
    assert book.wrong_rows() == []


def test_more_than_a_smallint_counts(book: Ledger) -> None:  # noqa: F811
    orphans(book, 4)
    book.ask("update service set reviews = 40000, versions = 1 returning 1")
    orphans(book, 2, start=4)
    assert book.ask("select reviews from service") == [(40002,)]


def test_the_sweep_reunites_a_crowd_without_believing_its_counts(book: Ledger) -> None:  # noqa: F811
    """What a fold without placeholders would leave: the case and its reviews, each as if the other were not here."""
    orphans(book, 8)
    book.ask("delete from service returning 1")
    book.fold(portion_of(Stream.CASE, 0, case("A", received_at=AT)))
    assert book.ask("select placeholder, reviews, crowd from service") == [(False, 0, None)]
    repaired = sweep(book.pool, book.folder, datetime(2000, 1, 1, tzinfo=UTC))
    assert repaired == [Key("A", 1)]
    reroute.finish(book.pool, book.folder)
    assert departments(book) == {DEPT: 8}
    assert book.ask("select reviews, outcome from service") == [(8, "matched")]
    assert book.wrong_rows() == []
