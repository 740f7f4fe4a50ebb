"""A replay gives the same ledger again, from the raw records and from the log; other rules change what they should."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from sqlalchemy import text

from pipeline import log
from pipeline.ledger.failures import Stop
from pipeline.ledger.verify import verify
from pipeline.replay import register
from pipeline.replay.accept import accept, drop
from pipeline.replay.diff import Diff, stored
from pipeline.replay.rules import changed
from pipeline.replay.run import Order, begin, run
from pipeline.settings import Settings, environment
from schemas.topics import INPUTS, Stream
from tests.harness import System, case, review
from tests.replay.story import everything, told
from tests.system.test_recovery import make_anew
from tests.wait import wait_for

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[2]


@pytest.fixture
def story(system: System) -> System:
    with told(system):
        return system


def replay(
    system: System, source: str = "raw", settings: Settings | None = None, **limits: Any
) -> tuple[str, Diff]:
    made = settings or system.settings
    schema = begin(made, Order(source, by="tester", **limits))
    return schema, run(made, schema)


def entry(system: System, schema: str) -> register.Replay:
    with system.ledger.connect() as connection:
        return next(one for one in register.every(connection) if one.schema == schema)


def clean(system: System, schema: str) -> None:
    assert [str(finding) for finding in verify(entry(system, schema).settings(system.settings))] == []


@pytest.mark.parametrize("source", ["raw", "log"])
def test_the_same_ledger_comes_back(story: System, source: str) -> None:
    before = everything(story)
    schema, found = replay(story, source)
    assert everything(story, schema) == before
    assert everything(story) == before, "the live ledger is only read"
    assert (found.differences, found.behind) == ([], 0)
    assert found.numbers > 100
    clean(story, schema)
    assert story.one(f"select count(*) from {schema}.outbox") == 0
    kept = entry(story, schema)
    assert (kept.state, kept.begun_by, stored(kept.diff or {})) == ("done", "tester", found)


DDL = """
    select c.relname, a.attname, format_type(atttypid, atttypmod), attnotnull, attstorage, attidentity,
        pg_get_expr(adbin, adrelid), col_description(c.oid, attnum), obj_description(c.oid)
    from pg_class c join pg_attribute a on attrelid = c.oid left join pg_attrdef d on adrelid = c.oid and adnum = attnum
    where relnamespace = cast(:schema as regnamespace) and relkind in ('r', 'i', 'S') and attnum > 0
    union all
    select relname, conname, pg_get_constraintdef(o.oid), null, null, null, null, null, null
    from pg_constraint o join pg_class c on c.oid = conrelid where connamespace = cast(:schema as regnamespace)
    union all
    select tablename, indexname, replace(indexdef, ' ' || schemaname || '.', ' '), null, null, null, null, null, null
    from pg_indexes where schemaname = :schema"""


def test_the_fresh_schema_is_what_the_migrations_make(system: System) -> None:
    schema = begin(system.settings, Order())
    live, fresh = (
        {str(row).replace(f" {name}.", " ") for row in system.ask(DDL, schema=name)}
        for name in ("ledger", schema)
    )
    assert len(live) > 100
    assert fresh == live


def test_beyond_the_logs_retention_the_raw_records_speak(story: System) -> None:
    before = everything(story)
    ends = {TopicPartition(w.topic, w.partition): w.end for w in log.watermarks(story.settings.kafka, INPUTS)}
    cut = {tp: end * 2 // 3 for tp, end in ends.items() if end > 2}
    with log.admin(story.settings.kafka) as admin:
        admin.delete_records(cut)
    for source in ("raw", "log"):
        schema, _ = replay(story, source)
        assert everything(story, schema) == before
        clean(story, schema)
        drop(story.settings, schema, "tester", "")


def test_a_topic_made_anew_and_adopted(story: System) -> None:
    from pipeline.ledger.adopting import adopt_topic

    topic = story.settings.kafka.topic(Stream.REVIEW)
    make_anew(story, topic)
    story.send(review("pair", 1), review("later", 2))
    adopt_topic(story.settings, topic, dry_run=False)
    with story.worker():
        story.wait_until_caught_up()
    before = everything(story)
    for source in ("raw", "log"):
        schema, found = replay(story, source)
        assert everything(story, schema) == before
        assert found.differences == []
        accept(story.settings, schema, "tester", "")
        assert everything(story) == before


def test_an_empty_ledger_is_replayed_at_once(system: System) -> None:
    _, found = replay(system)
    assert (found.differences, found.behind) == ([], 0)


def test_transactions_leave_holes_and_a_marker_at_the_end(system: System) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(**log.client_options(system.settings.kafka), transactional_id="t", acks="all")
    producer.init_transactions()
    for commit in (True, False, True, False):
        producer.begin_transaction()
        system.send(case(f"C{commit}"), review(f"C{commit}", 1), producer=producer)
        producer.commit_transaction() if commit else producer.abort_transaction()
    producer.close()
    with system.worker():
        system.wait_until_caught_up()
    before = everything(system)
    for source in ("raw", "log"):
        schema, _ = replay(system, source)
        assert everything(system, schema) == before
        drop(system.settings, schema, "tester", "")


def test_what_the_log_lost_stays_a_gap(story: System) -> None:
    topic = story.settings.kafka.topic(Stream.CASE)
    story.send(*(case(f"L{n}") for n in range(30)))
    ends = {
        TopicPartition(w.topic, w.partition): w.end
        for w in log.watermarks(story.settings.kafka, [Stream.CASE])
    }
    with log.admin(story.settings.kafka) as admin:
        admin.delete_records(ends)
    story.send(*(case(f"M{n}") for n in range(30)))
    with story.worker():
        story.wait_until_caught_up()
    assert story.one("select count(*) from log_gap where topic = :t", t=topic) > 0
    before = everything(story)
    for source in ("raw", "log"):
        schema, found = replay(story, source)
        assert everything(story, schema) == before
        assert found.differences == []
        drop(story.settings, schema, "tester", "")


def test_another_window_changes_the_outcomes_and_nothing_else(story: System) -> None:
    assert story.counters("matched_late") == {"matched_late": 1}
    schema, found = replay(story, settings=changed(story.settings, "window_hours=48"))
    changes = {one.name: (one.before, one.after) for one in found.differences}
    county = {name for name in changes if not name.startswith("departments.")}
    assert changes["sums.matched_late"] == (1, 0)
    assert county == {
        "reviews.matched", "reviews.matched_late", "sums.matched", "sums.matched_late",
    }  # fmt: skip
    assert everything(story, schema)["ticket"] == everything(story)["ticket"]
    clean(story, schema)


def test_limits_by_place_and_by_time(story: System) -> None:
    topic = story.settings.kafka.topic(Stream.CASE)
    ends = {partition: end for t, partition, end in story.ask("select topic, partition, next_offset from stream_position")
            if t == topic}  # fmt: skip
    partition = max(ends, key=lambda one: ends[one])
    schema, found = replay(story, until=(f"{topic}/{partition}/2",), since=(f"{topic}/{partition}/1",))
    position = f"select first_offset, next_offset, records from {schema}.stream_position where topic = :t and partition = :p"
    assert story.ask(position, t=topic, p=partition) == [(1, 2, 1)]
    assert found.behind == ends[partition] - 1
    drop(story.settings, schema, "tester", "")
    schema, found = replay(story, until=("2020-01-01T00:00:00Z",))
    assert story.one(f"select sum(records) from {schema}.stream_position") == 0
    drop(story.settings, schema, "tester", "")
    schema, found = replay(
        story, "log", since=("2020-01-01T00:00:00+08:00",), until=("2120-01-01T00:00:00+08:00",)
    )
    assert found.differences == []


def test_a_time_in_the_middle(system: System) -> None:
    with system.worker():
        system.send(*(case(f"A{n}") for n in range(20)))
        system.wait_until_caught_up()
        middle = system.one("select clock_timestamp()")
        system.send(*(case(f"B{n}") for n in range(20)))
        system.wait_until_caught_up()
    parts = {"until": "A", "since": "B"}
    for limit, letter in parts.items():
        limits: dict[str, Any] = {limit: (middle.isoformat(),)}
        schema, _ = replay(system, **limits)
        assert system.ask(f"select distinct left(case_no, 1), count(*) over () from {schema}.service") == [
            (letter, 20)
        ]
        drop(system.settings, schema, "tester", "")


def test_a_time_without_an_offset_is_the_countys(system: System) -> None:
    schema = begin(system.settings, Order(until=("2026-11-23",)))
    assert entry(system, schema).until == ["2026-11-23T00:00:00+08:00"]


@pytest.mark.parametrize("wrong", ["yesterday", "2026-13-01", "nowhere/0/1"])
def test_a_limit_that_names_nothing_is_a_sentence_and_leaves_nothing(system: System, wrong: str) -> None:
    with pytest.raises(Stop, match=wrong):
        begin(system.settings, Order(until=(wrong,)))
    assert system.one("select count(*) from office.replay") == 0
    assert system.one("select count(*) from pg_namespace where nspname like 'replay%'") == 0


@pytest.mark.parametrize("wrong", ["window=3", "window_hours", "window_hours=much", "time_zone=Mars/Base"])
def test_a_rule_that_is_none_is_a_sentence(wrong: str) -> None:
    with pytest.raises(Stop, match="--rules"):
        changed(Settings(), wrong)


def test_a_damaged_raw_block_is_a_sentence_and_the_log_still_helps(story: System) -> None:
    before = everything(story)
    place = (
        "select topic, partition, first_offset from raw_block where records > 1 order by records desc limit 1"
    )
    topic, partition, first = story.ask(place)[0]
    where = "where topic = :t and partition = :p and first_offset = :f"
    flip = "set_byte(data, length(data) / 2, get_byte(data, length(data) / 2) # 4)"
    story.tell(f"update raw_block set data = {flip} {where}", t=topic, p=partition, f=first)
    schema = begin(story.settings, Order())
    with pytest.raises(
        Stop, match=rf"{topic}\[{partition}\] that begins at offset {first} is damaged.*source log"
    ):
        run(story.settings, schema)
    schema, _ = replay(story, "log")
    assert everything(story, schema) == before | {"raw": everything(story, schema)["raw"]}


def test_missing_raw_records_are_a_sentence(story: System) -> None:
    story.tell(
        "delete from raw_block where (topic, partition) = (select topic, partition from raw_block limit 1)"
    )
    schema = begin(story.settings, Order())
    with pytest.raises(Stop, match="keeps no raw records of"):
        run(story.settings, schema)


def replaying(settings: Settings, schema: str, batch: int) -> None:
    os.setsid()
    from pipeline.replay import folding

    folding.BATCH_RECORDS = batch
    run(settings, schema)


def test_killed_in_the_middle_it_goes_on(story: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent is killed; its processes end with it, and what they folded stays."""
    before = everything(story)
    schema = begin(story.settings, Order())
    with story.ledger.begin() as gate:  # the second batch of the cases waits here
        gate.execute(text(f"insert into {schema}.service (case_no, service_no, placeholder, versions, reviews, disputed)"
                          " values ('A7', 1, false, 1, 0, false)"))  # fmt: skip
        process = multiprocessing.get_context("spawn").Process(
            target=replaying, args=(story.settings, schema, 1)
        )
        process.start()
        stands = f"select coalesce(sum(records), 0) from {schema}.stream_position"
        wait_for(lambda: story.one(stands) > 0, 60, "some batches")
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        gate.rollback()
    folded = story.one(stands)
    wait_for(lambda: story.one(
        "select count(*) from pg_locks where locktype = 'advisory' and classid = 1919250540") == 0, 30, "the claim to end")  # fmt: skip
    assert 0 < folded < story.one("select sum(records) from stream_position")
    found = run(story.settings, schema)
    assert found.differences == []
    assert everything(story, schema) == before
    clean(story, schema)


def test_two_do_not_work_on_one_replay(story: System) -> None:
    schema = begin(story.settings, Order())
    with register.claimed(story.ledger, schema), pytest.raises(Stop, match="another process works on"):
        run(story.settings, schema)


def test_dropped_it_is_gone_and_on_record(story: System) -> None:
    schema = begin(story.settings, Order())
    drop(story.settings, schema, "tester", "a trial")
    assert story.one("select count(*) from pg_namespace where nspname = :s", s=schema) == 0
    row = entry(story, schema)
    assert (row.state, row.ended_by, row.why) == ("dropped", "tester", "a trial")
    with pytest.raises(Stop, match="was dropped by tester"):
        run(story.settings, schema)
    with pytest.raises(Stop, match="there is no replay nothing"):
        run(story.settings, "nothing")


def hcp(system: System, *words: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
    return subprocess.run(
        [sys.executable, "-m", "deploy", "replay", *words],
        env=env | environment(system.settings), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_commands(story: System) -> None:
    made = hcp(story)
    assert "no difference: " in made.stdout
    schema = made.stderr.split("resume ")[1].split("`")[0]
    assert json.loads(hcp(story, "diff", schema, "--json").stdout)["differences"] == []
    assert schema in hcp(story, "list").stdout
    assert "records less" not in hcp(story, "resume", schema, "--all").stdout
    assert "is the ledger now" in hcp(story, "accept", schema, "--why", "a trial").stdout
    again = hcp(story, "accept", schema, "--why", "a trial")
    assert (again.returncode, again.stderr.startswith(f"hcp: the replay {schema} was accepted by")) == (
        1,
        True,
    )
    other = hcp(story, "--rules", "window_hours=48")
    assert "published numbers differ" in other.stdout
    assert "matched_late" in other.stdout
    assert "gone" in hcp(story, "drop", other.stderr.split("resume ")[1].split("`")[0]).stdout
