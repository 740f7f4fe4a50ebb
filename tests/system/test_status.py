"""`hcp status` and `/metrics` on a real stack: the same numbers, and a sentence when a server is away."""

import subprocess
from collections.abc import Iterator

import psycopg2
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from consumers.exporter import create, samples
from consumers.report import lines
from consumers.status import Status, addresses, collect
from pipeline.metrics import COMPUTED
from schemas.topics import Stream
from tests.consumers.client import Client
from tests.harness import DEPT, System, case, now, review
from tests.wait import wait_for

pytestmark = pytest.mark.system
TARGET = 0.95


@pytest.fixture
def story(system: System) -> Iterator[System]:
    """Two pairs, one online service a day and a half old and unreviewed, one just now; orphans; one default; a dead letter."""
    twice = review("pair", 1)
    with system.worker():
        system.send(
            case("pair"), twice, twice, case("other"), review("other", 5), review("other", 4, submitted_at=now()),
            case("forgotten", handling_mode="online", served_at=now(hours=36)),
            case("open", handling_mode="online"), review("open", 5, channel="default"),
            review("nobody", 5), review("long ago", 3, submitted_at=now(days=3)), review(None, 4, dept_code=DEPT),
        )  # fmt: skip
        system.send_raw(Stream.CASE, b"{")
        system.send_raw(Stream.CASE, None)
        system.wait_until_caught_up()
        wait_for(lambda: not system.one("select count(*) from outbox where sent_at is null"), 20, "the relay")
        yield system


def test_status_counts_what_was_sent(story: System) -> None:
    picture = collect(story.settings)
    cases, reviews = (story.settings.kafka.topic(s) for s in (Stream.CASE, Stream.REVIEW))
    assert picture["errors"] == []
    assert picture["fates"][cases] == {
        "stored": 4,
        "duplicate": 0,
        "conflict": 0,
        "dead_letter": 1,
        "skipped": 1,
    }
    assert picture["fates"][reviews] == {
        "stored": 6,
        "duplicate": 1,
        "conflict": 1,
        "dead_letter": 0,
        "skipped": 0,
    }
    assert picture["reviews"] == {
        "matched": 3,
        "matched_late": 0,
        "orphan": 1,
        "unmatched": 1,
        "standalone": 1,
    }
    assert picture["services"] == {"reviewed": 2, "unreviewed": 1, "pending": 1}
    assert picture["rates"]["offline"] == {"rate": 1.0, "part": 2, "whole": 2, "pending": 0}
    assert picture["rates"]["online"] == {"rate": 0.0, "part": 0, "whole": 1, "pending": 1}
    assert picture["quality"]["active"] == {"rate": 0.8333, "part": 5, "whole": 6}
    assert picture["quality"]["bad"] == {"rate": 0.2, "part": 1, "whole": 5}
    assert picture["tickets"]["new"] == 1
    assert (picture["gaps"], picture["repairs"]) == (0, 0)
    assert picture["shared_numbers"] == {"keys": 0, "first": []}
    assert not any("shared" in name for name in lines(picture))
    assert {reason: n for reason, n in picture["dead_letters"].items() if n} == {"not_json": 1}
    assert picture["dead_letters_open"] == 1
    assert sum(topic["end"] - topic["log_start"] for topic in picture["topics"]) == 14
    assert {topic["lag"] for topic in picture["topics"]} == {0}
    assert [row["state"] for row in picture["components"]] == ["running"]


def test_what_the_outbox_holds_is_said_with_what_to_do(system: System) -> None:
    insert = "insert into outbox (stream, headers, created_at, set_aside_at) select 'ticket.v1', '[]', now() - interval '2 min', "
    system.tell(insert + "now() from generate_series(1, 2)")
    picture = collect(system.settings)
    assert picture["outbox"] == {"unsent": 0, "oldest_seconds": 0, "set_aside": 2}
    (error,) = picture["errors"]
    assert error.startswith("2 rows of the outbox are set aside")
    assert "`hcp outbox retry`" in error
    assert lines(picture)["outbox, set aside"] == "2, see `hcp outbox list`"
    told = {computed.name: value for computed, _, value in samples(picture, TARGET)}
    assert (told["hcp_outbox_set_aside"], told["hcp_outbox_unsent"]) == (2, 0)
    system.tell(insert + "null")
    stuck, _ = collect(system.settings)["errors"]
    assert stuck.startswith("1 rows of the outbox wait to be sent, the oldest for 12")


def test_metrics_say_what_status_says_and_promtool_finds_no_fault(story: System) -> None:
    client = Client(create(story.settings))
    text = client.get("/metrics").text
    assert client.get("/healthz").status_code == 200
    told = [line for line in text.splitlines() if not line.startswith("#")]
    for computed, labels, value in samples(collect(story.settings), TARGET):
        if computed.name not in {"hcp_component_beat_timestamp_seconds", "hcp_outbox_oldest_seconds"}:
            pairs = dict(zip(computed.labels, labels, strict=True))
            shown = ",".join(f'{name}="{pairs[name]}"' for name in sorted(pairs))
            assert f"{computed.name}{f'{{{shown}}}' if shown else ''} {float(value)}" in told
    assert {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")} == {
        c.name for c in COMPUTED
    }
    assert {line.split("{")[0].split()[0] for line in told} == {c.name for c in COMPUTED}, "each has a sample"
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_number_that_strangers_share_is_shown_with_its_sender_and_no_identity(system: System) -> None:
    number = "110101199003072316"  # of the form of an identity number
    with system.worker():
        system.send(*(review(number, 5, device_id="w1") for _ in range(20)), case("C1"))
        system.wait_until_caught_up()
    picture = collect(system.settings)
    told = {"case_no": "1***************16", "service_no": 1, "reviews": 20, "versions": 0, "senders": ["w1"]}
    assert picture["shared_numbers"] == {"keys": 1, "first": [told]}
    line = "1***************16 (1): 20 reviews, 0 versions, from w1"
    assert line in lines(picture)["shared numbers 一号多用"]
    gauges = {(computed.name, labels): value for computed, labels, value in samples(picture, TARGET)}
    assert gauges["hcp_shared_numbers", ()] == 1


def test_a_figure_that_takes_long_keeps_nobody_from_the_others(story: System) -> None:
    """Coverage asks for every review: while somebody has locked them, its last answer is shown, and of the rest today's."""
    status = Status(story.settings, clock=lambda: 0.0)
    before = status.collect()
    story.tell("delete from office.department")
    with story.ledger.begin() as connection:
        connection.execute(text("lock table review"))
        story.tell("insert into repair (case_no, service_no) values ('pair', 1)")
        now = status.collect()
        assert (now["repairs"], now["errors"]) == (1, [])
        assert now["coverage"] == before["coverage"]
    wait_for(lambda: status.collect()["coverage"] != before["coverage"], 20, "the next answer")
    status.close()


def test_a_server_that_is_away_is_said_and_the_other_still_shown(system: System) -> None:
    away = system.settings.model_copy(deep=True)
    away.database.url = SecretStr("postgresql://hcp:secret-of-mine@127.0.0.1:1/hcp")
    picture = collect(away)
    assert "the database does not answer" in picture["errors"][0]
    assert [(topic["position"], topic["lag"]) for topic in picture["topics"]] == [(None, None)] * 18
    told = {(computed.name, labels): value for computed, labels, value in samples(picture, TARGET)}
    assert told["hcp_ledger_up", ()] == 0
    assert told["hcp_log_up", ()] == 1
    assert "secret-of-mine" not in str(picture)


def test_the_database_can_be_reached_by_the_address_without_a_password_in_it(system: System) -> None:
    settings = system.settings.model_copy(deep=True)
    settings.stack.data_dir = system.folder
    url = settings.database.url.get_secret_value()
    password = url.split(":")[2].split("@")[0]
    file = system.folder / "pgpass"
    file.write_text(f"127.0.0.1:*:*:hcp:{password}\n")
    file.chmod(0o600)
    shown = addresses(settings)["database_url"]
    assert password not in shown
    psycopg2.connect(shown).close()
    file.unlink()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(addresses(settings)["database_url"])
