"""Services with many records, of which not all are read again: the ledger is the same as if they were."""

import copy
import json
from collections import defaultdict
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.ledger import reroute
from pipeline.ledger.entries import hex_digits
from pipeline.rules import crowd, records
from pipeline.rules.fold import Arrival
from pipeline.rules.measures import MEASURES
from tests.ledger.test_fold import PARTITIONS, Ledger, book, portion_of  # noqa: F401  `book` is a fixture
from tests.model import Model
from tests.strategies import crowding

pytestmark = pytest.mark.system
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
                len({model.event(i).dept_code for i in cases}) > 1, len(cases), len(reviews),
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
        best = model.current(i[:3]) if i[3] == "case" else model.effective(i[:3], i[3])
        entries[i] = (model.received(i), i == best or not i[0], sorted(flags))
    return entries


def kept_entries(book: Ledger) -> dict[Id, Id]:  # noqa: F811
    rows = book.ask(
        "select case_no, service_no, 'case', event_id, digest, received_at, false, flags from case_version"
        " union all select case_no, service_no, 'case', event_id, digest, version_received_at, true, flags"
        " from service where not placeholder"
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
    model = Model()
    for arrival in copy.deepcopy(history):
        model.read(arrival)
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(history)), max_size=8))), len(history)]
    for start, end in pairwise(cuts):
        book.fold_arrivals(copy.deepcopy(history[start:end]), data.draw(st.sampled_from(PARTITIONS)))
        for _ in range(data.draw(st.integers(0, 2))):
            reroute.reroute(book.pool, book.folder)
    assert book.wrong_rows() == [], "what waits to be rerouted is not wrong"
    reroute.finish(book.pool, book.folder)
    agree(book, model)
