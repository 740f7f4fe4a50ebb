"""A replay takes the live ledger's place while workers run: nothing is lost, nothing told twice, no person's step gone."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from pipeline import log
from pipeline.ledger.decode import decode
from pipeline.ledger.engine import engine
from pipeline.ledger.failures import Stop
from pipeline.ledger.fold import Folder
from pipeline.ledger.portion import Portion
from pipeline.ledger.verify import verify
from pipeline.ledger.write import write
from pipeline.replay import accept as accepting
from pipeline.replay.accept import accept
from pipeline.replay.rules import changed
from pipeline.replay.run import Order, begin, run
from pipeline.sealing import Sealer
from schemas.topics import Stream
from tests.harness import DEPT, System, case, review
from tests.ledger.test_fold import portion_of
from tests.replay.story import everything, told
from tests.replay.test_replay import entry, replay
from tests.system.test_whole_way import read
from tests.wait import wait_for

pytestmark = pytest.mark.system


@pytest.fixture
def story(system: System) -> Iterator[System]:
    """The story, its worker running on."""
    with told(system):
        yield system


def findings(system: System) -> list[str]:
    return [str(finding) for finding in verify(system.settings)]


def steps(system: System) -> list[tuple[Any, ...]]:
    return system.ask("select * from office.ticket_step order by 1, 2")


def sent(system: System) -> None:
    wait_for(lambda: not system.one("select count(*) from outbox where sent_at is null"), 30, "the relay")


def test_accepted_while_a_worker_runs_and_events_come(story: System) -> None:
    schema, _ = replay(story)
    stop = threading.Event()
    told_of: list[str] = []

    def talk() -> None:
        while not stop.is_set():
            told_of.append(f"B{len(told_of)}")
            story.send(case(told_of[-1]), review(told_of[-1], 1 + len(told_of) % 5))

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        wait_for(lambda: len(told_of) > 20, 30, "some talk")
        accepted = accept(story.settings, schema, "officer", "a trial")
        here = len(told_of)
        wait_for(lambda: len(told_of) > here + 20, 30, "more talk")
    finally:
        stop.set()
        talker.join()
    story.wait_until_caught_up()
    sent(story)
    assert findings(story) == []
    known = {name for (name,) in story.ask("select case_no from service where outcome = 'matched'")}
    assert set(told_of) <= known
    row = entry(story, schema)
    assert (row.state, row.ended_by, row.why, row.kept_as) == (
        "accepted",
        "officer",
        "a trial",
        accepted.kept_as,
    )
    assert (accepted.told, accepted.missing) == (0, [])
    assert "Traceback" not in story.log_text()
    ids = [headers["ce_id"] for headers, _ in read(story, Stream.TICKET)]
    assert len(ids) == len(set(ids)), "nothing is told twice"
    assert set(story.ask("select ticket_id from ticket")) >= set(
        story.ask(f"select ticket_id from {accepted.kept_as}.ticket")
    )


def test_what_people_did_stays_and_what_is_gone_is_flagged(story: System) -> None:
    """A ticket that the log never opened (a defect, since mended) goes; one that was lost comes and is told."""
    story.tell(
        "update ticket set ticket_id = gen_random_uuid() where event_id = (select min(event_id) from ticket)"
    )
    story.tell("insert into office.ticket_step (ticket_id, step_no, step, state, dept_code, actor_role)"
               " select ticket_id, n, 'sign', 'verifying', dept_code, 'unit' from ticket, generate_series(1, 2) n")  # fmt: skip
    wrong = story.one("select ticket_id from ticket where event_id = (select min(event_id) from ticket)")
    before, letters = steps(story), len(read(story, Stream.TICKET))
    schema, found = replay(story)
    assert {one.name: one.after for one in found.differences if one.name.startswith("tickets_")} == {
        "tickets_missing": 1, "tickets_extra": 1,
    }  # fmt: skip
    accepted = accept(story.settings, schema, "officer", "a defect is mended")
    assert accepted.missing == [wrong]
    assert accepted.told == 1
    assert steps(story) == before
    assert story.ask("select schema, ticket_id, steps from office.replay_finding") == [(schema, wrong, 2)]
    sent(story)
    assert len(read(story, Stream.TICKET)) == letters + 1
    assert findings(story) == []


def test_a_ticket_that_another_case_version_moves_is_told_while_it_is_new(story: System) -> None:
    story.tell("update ticket set dept_code = 'elsewhere' where case_no in ('A0', 'A5')")
    story.tell("insert into office.ticket_step (ticket_id, step_no, step, state, dept_code, actor_role)"
               " select ticket_id, 1, 'sign', 'verifying', dept_code, 'unit' from ticket where case_no = 'A5'")  # fmt: skip
    schema, _ = replay(story)
    assert accept(story.settings, schema, "officer", "").told == 1
    sent(story)
    assert story.one(
        "select headers::text || convert_from(value, 'utf8') from outbox order by id desc limit 1"
    ).count(DEPT)


def test_nothing_changes_by_accepting_what_is_the_same(
    story: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice within a second: each old ledger is kept under a name of its own."""
    moments = iter([datetime(2026, 11, 24, 1, 24, 21, n, UTC) for n in (1, 2)])
    monkeypatch.setattr(accepting, "utc_now", lambda: next(moments))
    before = everything(story)
    story.tell("update outbox set sent_at = null, set_aside_at = now(), error = 'too large' where id = 1")
    outbox = story.ask("select o::text from outbox o order by id")
    schema, _ = replay(story, "log")
    kept = accept(story.settings, schema, "officer", "").kept_as
    assert everything(story) == before
    assert story.ask("select o::text from outbox o order by id") == outbox
    assert story.one(f"select count(*) from {kept}.service") == story.one("select count(*) from service")
    again, found = replay(story)
    assert found.differences == []
    assert accept(story.settings, again, "officer", "again").told == 0


def test_refusals(story: System) -> None:
    limited, _ = replay(story, until=("2120-01-01T00:00:00Z",))
    with pytest.raises(Stop, match="was limited"):
        accept(story.settings, limited, "officer", "")
    other = changed(story.settings, "window_hours=48")
    schema = begin(other, Order())
    run(other, schema)
    with pytest.raises(Stop, match="HCP_RULES__WINDOW_HOURS=48"):
        accept(story.settings, schema, "officer", "")
    story.tell(f"update {schema}.counter set reviewed = reviewed + 1")
    with pytest.raises(Stop, match="a counter is not what the rows say"):
        accept(other, schema, "officer", "")
    story.tell("update office.replay set revision = '0001'")
    with pytest.raises(Stop, match="before the last migration"):
        accept(other, schema, "officer", "")
    assert findings(story) == []


def test_a_reader_that_never_ends_is_waited_for_and_then_named(
    story: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "TRIES", 2)
    schema, _ = replay(story)
    with story.ledger.begin() as reader:
        reader.execute(text("select count(*) from counter"))
        with pytest.raises(Stop, match="try again later"):
            accept(story.settings, schema, "officer", "")
    accept(story.settings, schema, "officer", "")
    assert findings(story) == []


class Slow:
    """A fold that stops in the middle of its writing, until it is told to go on."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.written, self.go_on = threading.Event(), threading.Event()
        self.folder = Folder(system.settings.rules.policy(), Sealer(system.settings.seal), write=self.write)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def write(self, cursor: Any, changes: Any, stripe: int) -> None:
        write(cursor, changes, stripe)
        self.written.set()
        self.go_on.wait(60)

    def run(self) -> None:
        topic = self.system.settings.kafka.topic(Stream.CASE)
        mark = next(w for w in log.watermarks(self.system.settings.kafka) if w.topic == topic)
        portion: Portion = portion_of(Stream.CASE, mark.end, case("in the middle"))
        portion.topic, portion.partition = topic, mark.partition
        pool = engine(self.system.settings.database, "slow")
        connection: Any = pool.raw_connection().driver_connection
        self.folder.fold(connection, [decode(portion, self.folder.sealer)])
        connection.close()

    def end(self) -> None:
        self.go_on.set()
        self.thread.join(60)


def swap_in_the_middle_of_a_fold(system: System) -> None:
    with told(system):
        pass
    schema, _ = replay(system)
    slow = Slow(system)
    slow.written.wait(60)
    swap = threading.Thread(target=accept, args=(system.settings, schema, "officer", ""))
    swap.start()
    try:
        wait_for(lambda: not swap.is_alive() or waits(system), 60, "the swap to be at the lock, or through")
    finally:
        slow.end()
        swap.join(60)


def waits(system: System) -> bool:
    return bool(
        system.one("select count(*) from pg_locks where not granted and mode = 'AccessExclusiveLock'")
    )


def test_a_fold_under_way_is_waited_for(system: System) -> None:
    swap_in_the_middle_of_a_fold(system)
    assert system.one("select count(*) from service where case_no = 'in the middle'") == 1
    assert findings(system) == []


def test_the_twin_without_the_lock_tears_it_apart(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "lock", lambda _: None)
    swap_in_the_middle_of_a_fold(system)
    assert system.one("select count(*) from service where case_no = 'in the middle'") == 0
    assert findings(system) != []
