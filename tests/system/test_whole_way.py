"""From a record on the log to what is true of it: each order of arrival, each reason for a dead letter."""

import json
from typing import Any

import pytest
from kafka import KafkaConsumer

from pipeline import log
from schemas.events import Reason
from schemas.topics import Stream
from tests.harness import DEPT, System, case, now, review
from tests.wait import wait_for

pytestmark = pytest.mark.system

MEASURES = ["services", "reviewed", "matched", "matched_late", "unpaired", "standalone", "conflicts"]


def folded(system: System, *events: dict[str, Any]) -> dict[str, int]:
    """Send, fold, and say what the counters and fates are."""
    system.send(*events)
    with system.worker():
        system.wait_until_caught_up()
    return (
        system.counters(*MEASURES)
        | system.fates()
        | {"tickets": system.one("select count(*)::int from ticket")}
    )


@pytest.mark.parametrize("level", [5, 1])
def test_case_then_review(system: System, level: int) -> None:
    got = folded(system, case("A"), review("A", level))
    assert got == {"services": 1, "reviewed": 1, "matched": 1, "stored": 2, "tickets": int(level == 1)}


@pytest.mark.parametrize("level", [5, 2])
def test_review_then_case(system: System, level: int) -> None:
    with system.worker():
        system.send(review("A", level))
        wait_for(
            lambda: system.counters("unpaired") == {"unpaired": 1}, 40, "the review to wait for its case"
        )
        system.send(case("A"))
        system.wait_until_caught_up()
        if level == 2:  # the relay is the worker's: it must still run
            steps = wait_for(lambda: ticket_steps(system, 2), 30, "both steps of the ticket on the log")
            assert [step["step"] for step in steps] == ["opened", "rerouted"]
            assert system.ask("select dept_code, routed_by from ticket") == [(DEPT, "case")]
    assert system.counters(*MEASURES) == {"services": 1, "reviewed": 1, "matched": 1}


@pytest.mark.parametrize("level", [5, 1])
def test_no_case(system: System, level: int) -> None:
    got = folded(system, review(None, level, dept_code="D1"), review("never-comes", level))
    assert got == {"standalone": 1, "unpaired": 1, "stored": 2, "tickets": 2 * int(level == 1)}
    routes = set(system.ask("select dept_code, routed_by from ticket"))
    assert routes == ({("D1", "hint"), ("610326", "county")} if level == 1 else set())


def test_twice(system: System) -> None:
    events = [case("A"), review("A", 1)]
    got = folded(system, *events, *events, *events)
    assert got == {"services": 1, "reviewed": 1, "matched": 1, "stored": 2, "duplicate": 4, "tickets": 1}


def test_conflict(system: System) -> None:
    got = folded(system, case("A"), review("A", 5), review("A", 1), review("A", 5, channel="default"))
    assert got == {
        "services": 1, "reviewed": 1, "matched": 1, "conflicts": 1, "stored": 3, "conflict": 1, "tickets": 1,
    }  # fmt: skip


def test_late_on_both_sides_of_the_window(system: System) -> None:
    got = folded(
        system,
        case("in time", served_at=now(hours=30), received_at=now(hours=30)),
        review("in time", submitted_at=now(hours=2)),
        case("late", served_at=now(hours=30), received_at=now(hours=30)),
        review("late", submitted_at=now(hours=29)),
    )
    assert got == {"services": 2, "reviewed": 2, "matched": 1, "matched_late": 1, "stored": 4, "tickets": 0}


DEAD = {
    Reason.NOT_JSON: b"13800001111 is my number",
    Reason.NOT_AN_OBJECT: b"[]",
    Reason.TOO_LARGE: json.dumps(review("A", comment="x" * 70_000)).encode(),
    Reason.MISSING_FIELD: b'{"event_id": "e"}',
    Reason.WRONG_TYPE: json.dumps(review("A") | {"satisfaction": "5"}).encode(),
    Reason.OUT_OF_RANGE: json.dumps(review("A", 6)).encode(),
    Reason.UNKNOWN_VALUE: json.dumps(review("A", channel="fax")).encode(),
    Reason.ID_MISMATCH: json.dumps(review("A")).encode(),
    Reason.TIME_OUT_OF_RANGE: json.dumps(review("A", submitted_at="1999-01-01T00:00:00Z")).encode(),
    Reason.FOLD_ERROR: json.dumps(review("A", comment="poison")).encode(),
}
POISON = """
    from pipeline.ledger import fold
    right = fold.write
    def write(cursor, changes, stripe):
        for change in changes.dossiers:
            if any(entry.event.comment == "poison" for entry in change.dossier.reviews):
                raise ArithmeticError("13800001111")
        right(cursor, changes, stripe)
    fold.Folder.__init__.__defaults__ = (0, write, True, fold.EPOCH)
"""


def test_every_reason_for_a_dead_letter_and_the_good_beside_them(system: System) -> None:
    for reason, value in DEAD.items():
        said = {"ce_id": "another"} if reason == Reason.ID_MISMATCH else {}
        system.send_raw(Stream.REVIEW, value, b"one-key", said)
    system.send_raw(Stream.REVIEW, None, b"one-key")
    system.send(review("good", 1))
    with system.worker(POISON):
        system.wait_until_caught_up()
        letters = wait_for(lambda: dead_letters(system, len(DEAD)), 30, "the dead letters on their topic")
    assert system.fates() == {"stored": 1, "dead_letter": len(DEAD), "skipped": 1}
    assert {reason for (reason,) in system.ask("select reason from dead_letter")} == set(DEAD)
    assert {headers["hcp_reason"].decode() for headers, _ in letters} == set(DEAD)
    for headers, value in letters:
        assert b"13800001111" not in value + b"".join(headers.values())


def test_an_open_identity_is_sealed_before_it_is_stored(system: System) -> None:
    reviewer = {"name": "张三丰", "phone": "19900001234", "id_number": ""}
    folded(system, review("A", 1, reviewer=reviewer, real_name=True))
    sealed, mark = system.ask("select reviewer, reviewer_mark from review")[0]
    assert sealed.startswith("s1.m20")
    assert len(mark) == 32
    stored = system.one("select string_agg(encode(data, 'escape'), '') from raw_block")
    assert "19900001234" not in stored


def ticket_steps(system: System, at_least: int) -> list[dict[str, Any]]:
    steps = [json.loads(value) for _, value in read(system, Stream.TICKET)]
    return steps if len(steps) >= at_least else []


def dead_letters(system: System, at_least: int) -> list[tuple[dict[str, bytes], bytes]]:
    letters = read(system, Stream.DEAD_LETTER)
    return letters if len(letters) >= at_least else []


def read(system: System, stream: Stream) -> list[tuple[dict[str, bytes], bytes]]:
    """Everything on a topic: headers and values."""
    topic = system.settings.kafka.topic(stream)
    consumer = KafkaConsumer(
        topic,
        **log.client_options(system.settings.kafka),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    ends = sum(mark.end for mark in log.watermarks(system.settings.kafka, [stream]))
    records: list[Any] = []
    try:
        while len(records) < ends:
            records += [r for batch in consumer.poll(timeout_ms=500).values() for r in batch]
    finally:
        consumer.close()
    return [(dict(record.headers), record.value) for record in records]
