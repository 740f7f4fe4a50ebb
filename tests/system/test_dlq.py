"""`hcp dlq` on a real stack: a letter goes through the log again, once on record, with its first time, or is given up."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deploy.cli import app
from pipeline.ledger.verify import verify
from pipeline.settings import environment
from producers.errors import DeadLetterError
from schemas.topics import Stream
from tests.harness import System, now, review
from tests.system.test_whole_way import POISON, read

pytestmark = pytest.mark.system

Hcp = Callable[..., Result]


@pytest.fixture
def hcp(system: System, monkeypatch: pytest.MonkeyPatch) -> Hcp:
    """The command line on this stack."""
    for name, value in (environment(system.settings) | stack(system)).items():
        monkeypatch.setenv(name, value)
    return lambda *words: CliRunner().invoke(app, ["dlq", *words])


def stack(system: System) -> dict[str, str]:
    return {"HCP_STACK__DATA_DIR": str(system.folder / "data")}


def fold(system: System, code: str = "") -> None:
    with system.worker(code):
        system.wait_until_caught_up()


def poisoned(system: System, *events: dict[str, Any]) -> None:
    """Have these refused by a worker with a defect, and whatever else is on the log read."""
    system.send(*(event | {"comment": "poison"} for event in events))
    fold(system, POISON)


def test_after_a_fix_all_of_a_filter_is_sent_again_once(system: System, hcp: Hcp) -> None:
    at = now(hours=2)
    system.send_raw(Stream.CASE, b"{")
    own: dict[str, Any] = {"received_at": at, "submitted_at": now(hours=3)}
    system.send(review("claimed", **own, comment="poison"), signed=False)
    poisoned(system, review("no time"), review("own time", 1, **own))
    assert "4 open dead letters: 3 fold_error, 1 not_json" in hcp("list").stdout

    dry = hcp("retry", "--all-of-filter", "--dry-run")
    assert "4 would be sent again" in dry.stdout
    assert "today's reader refuses it too (not_json" in dry.stdout
    assert "4 open" in hcp("list").stdout

    only = ("--all-of-filter", "--reason", "fold_error")
    with system.worker():
        done = hcp("retry", *only)
        assert (done.exit_code, done.stdout) == (0, "3 sent again\n")
        system.wait_until_caught_up()
        assert system.fates() == {"stored": 3, "dead_letter": 4}
        received = {row[0]: row[1:] for row in system.ask("select case_no, received_at, sender from review")}
        assert received["own time"] == (datetime.fromisoformat(at), "/test")
        firsts = system.ask("select appended_at, '' from dead_letter where reason = 'fold_error'")
        assert {received["no time"], received["claimed"]} <= set(firsts), "no claim is laundered"
        assert verify(system.settings) == []

        assert "0 sent again" in hcp("retry", *only).stdout
        name = system.one(
            "select topic || '/' || partition || '/' || \"offset\" from office.dead_letter_action"
        )
        assert f"{name}: left alone, it is already retried" in hcp("retry", name).stdout
        assert "1 sent again" in hcp("retry", name, "--again").stdout
        system.wait_until_caught_up()
    assert system.fates() == {"stored": 3, "dead_letter": 4, "duplicate": 1}
    assert verify(system.settings) == []
    shown = hcp("show", name).stdout
    assert shown.count("retry by ") == 2
    assert "refused again" not in shown
    lies = system.ask(
        "select count(*)::int from office.dead_letter_action a join review r on r.event_id = a.event_id"
        " and r.topic = a.sent_topic and r.partition = a.sent_partition and r.offset = a.sent_offset"
    )
    assert lies[0][0] >= 3, "the record of an action says where the review lies"


def test_a_letter_that_comes_back_is_a_new_one_linked_with_its_first_time(system: System, hcp: Hcp) -> None:
    system.send_raw(Stream.REVIEW, b"{", b"key", {"ce_source": "/foreign"})
    names = []
    with system.worker():
        for _ in range(3):
            system.wait_until_caught_up()
            (letter,) = json.loads(hcp("list", "--json").stdout)
            names.append(letter["name"])
            assert "it comes back as a new dead letter" in hcp("retry", letter["name"]).stdout
        system.wait_until_caught_up()
    assert len(set(names)) == 3
    first = system.one("select min(appended_at) from dead_letter")
    records = [headers for headers, _ in read(system, Stream.REVIEW)]
    assert [headers.get("hcp_dead_letter", b"").decode() for headers in records] == ["", *names]
    assert {headers["hcp_received_at"].decode() for headers in records[1:]} == {first.isoformat()}
    assert {headers["ce_source"] for headers in records} == {b"/foreign"}
    shown = hcp("show", names[0]).stdout
    assert f"→ {names[1]}, refused again" in shown
    assert f"hcp_dead_letter: {names[0]}" in hcp("show", names[1]).stdout


def test_a_letter_mended_in_the_editor(
    system: System, hcp: Hcp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = review("A", 1, comment="我的电话 13800135678") | {"satisfaction": "1"}
    system.send(wrong)
    fold(system)
    (letter,) = json.loads(hcp("list", "--json").stdout)
    script = tmp_path / "editor"
    script.write_text("""#!/bin/sh\nsed -i 's/"satisfaction": "1"/"satisfaction": 1/' "$1"\n""")
    script.chmod(0o700)
    monkeypatch.setenv("EDITOR", "false")
    refused = hcp("edit", letter["name"])
    assert refused.exit_code == 1
    assert "nothing was sent" in refused.stderr
    monkeypatch.setenv("EDITOR", str(script))
    assert "1 sent as edited" in hcp("edit", letter["name"]).stdout
    fold(system)
    assert system.fates() == {"stored": 1, "dead_letter": 1}
    appended_at = datetime.fromisoformat(letter["appended_at"])
    assert system.ask("select event_id, received_at from review") == [(wrong["event_id"], appended_at)]
    assert list((system.folder / "data").iterdir()) == []
    body = hcp("show", letter["name"], "--body")
    assert "138****5678" in body.stdout
    assert "personal data" in body.stderr
    assert "13800135678" in hcp("show", letter["name"], "--body", "--clear").stdout
    assert verify(system.settings) == []


def test_giving_up_needs_a_reason_and_is_on_record(system: System, hcp: Hcp) -> None:
    for _ in range(2):
        system.send_raw(Stream.REVIEW, b"{")
    fold(system)
    one, other = (letter["name"] for letter in json.loads(hcp("list", "--json").stdout))
    assert hcp("discard", one).exit_code == 2
    assert hcp("discard", one, "--why", " ").exit_code == 2
    assert "1 would be discarded" in hcp("discard", one, "--why", "a test's", "--dry-run").stdout
    assert isinstance(hcp("discard", "--why", "a test's").exception, DeadLetterError)
    assert "1 discarded" in hcp("discard", one, "--why", "a test's").stdout
    assert [letter["name"] for letter in json.loads(hcp("list", "--json").stdout)] == [other]
    assert "discard by " in hcp("show", one).stdout
    assert ": a test's" in hcp("show", one).stdout
    assert "1 discarded" in hcp("discard", "--all-of-filter", "--why", "all").stdout
    assert hcp("list").stdout == "no open dead letters\n"
    assert "2 dead letters: 2 not_json" in hcp("list", "--all").stdout
    assert system.one("select count(*)::int from dead_letter") == 2


CRASH = """
    import os
    from pipeline.ledger import dead_letters
    from producers.publish import Publisher
"""
BEFORE_SENDING = CRASH + "    Publisher.send_raw = lambda *_: os._exit(9)\n"
BEFORE_THE_RECORD = CRASH + "    dead_letters.record = lambda *_: os._exit(9)\n"
RECORD_FIRST = (
    BEFORE_SENDING
    + """
    from pipeline.ledger.dead_letters import Action, Deed
    from pipeline.settings import load
    from producers.dlq import acting
    right = acting._Sending._publish
    def publish(self, due, under_way):
        with acting.ledger(load()) as pool, pool.begin() as connection:
            dead_letters.record(connection, [Deed(letter.name, Action.RETRY, "twin") for letter in due])
        return right(self, due, under_way)
    acting._Sending._publish = publish
"""
)


def stored_after_a_crash(system: System, hcp: Hcp, code: str) -> dict[str, int]:
    """A retry that dies, the same once more, a worker: what became of the records. The letter is one of fold_error."""
    poisoned(system, review("A", 1))
    words = "from deploy.cli import app; app(['dlq', 'retry', '--all-of-filter'])"
    env = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code) + "\n" + words],
        env=env | environment(system.settings) | stack(system),
        cwd=system.folder,
        check=False,
        timeout=60,
    )
    assert died.returncode == 9
    assert hcp("retry", "--all-of-filter").exit_code == 0
    fold(system)
    assert verify(system.settings) == []
    return system.fates()


def test_a_crash_before_sending_loses_nothing(system: System, hcp: Hcp) -> None:
    assert stored_after_a_crash(system, hcp, BEFORE_SENDING) == {"dead_letter": 1, "stored": 1}


def test_a_crash_before_the_record_sends_twice_and_counts_once(system: System, hcp: Hcp) -> None:
    fates = stored_after_a_crash(system, hcp, BEFORE_THE_RECORD)
    assert fates == {"dead_letter": 1, "stored": 1, "duplicate": 1}
    assert system.one("select count(*)::int from office.dead_letter_action") == 1


def test_the_twin_that_records_first_loses_the_letter(system: System, hcp: Hcp) -> None:
    assert stored_after_a_crash(system, hcp, RECORD_FIRST) == {"dead_letter": 1}


def test_an_empty_list_and_a_name_that_nothing_has(system: System, hcp: Hcp) -> None:
    assert hcp("list").stdout == "no open dead letters\n"
    assert hcp("list", "--json").stdout == "[]\n"
    error = hcp("show", "t/0/1").exception
    assert isinstance(error, DeadLetterError)
    assert "hcp dlq list --all" in str(error)
