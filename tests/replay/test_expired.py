"""After a month's key is destroyed: a replay goes through, and no identity comes back, whichever way it is read."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.ledger.reviewers import EXPIRED
from pipeline.ledger.verify import verify
from pipeline.month_keys import MonthKeys, month_of, name_of
from pipeline.replay.accept import accept
from pipeline.replay.run import Order, begin, run
from pipeline.settings import environment
from schemas.topics import Stream
from tests.harness import System, review
from tests.replay.story import everything, told
from tests.wait import wait_for

pytestmark = pytest.mark.system
PHONE = "19900001234"
REVIEWERS = "select case_no, reviewer, reviewer_mark, flags from {}.review where reviewer_mark <> '' or reviewer is not null"
"""Only `who` of the story names somebody."""


def keys(system: System) -> MonthKeys:
    return MonthKeys(system.settings.seal.months)


def destroy(system: System) -> None:
    now = datetime.now(UTC)
    keys(system).destroy(month_of(now), now, "tester", "a test")


def hcp(system: System, *words: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
    return subprocess.run(
        [sys.executable, "-m", "deploy", *words],
        env=env | environment(system.settings), cwd=system.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def without_letters(found: dict[str, Any]) -> dict[str, Any]:
    return {name: rows for name, rows in found.items() if name != "dead_letter"}


@pytest.mark.parametrize("source", ["raw", "log"])
def test_a_replay_after_a_keys_destruction_brings_no_identity_back(system: System, source: str) -> None:
    with told(system):
        pass
    before, who = everything(system), system.ask(REVIEWERS.format("ledger"))
    assert [(row[0], str(row[1]).split(".")[1][:7]) for row in who] == [
        ("who", f"m{month_of(datetime.now(UTC))}")
    ]
    destroy(system)
    schema = begin(system.settings, Order(source))
    found = run(system.settings, schema)
    assert (found.differences, found.behind) == ([], 0)
    if source == "raw":
        assert without_letters(everything(system, schema)) == without_letters(before)
        assert system.ask(REVIEWERS.format(schema)) == who, "sealed for good, and the mark is still there"
    else:
        ((reviewer, mark, flags),) = system.ask(
            f"select reviewer, reviewer_mark, flags from {schema}.review where case_no = 'who'"
        )
        assert (reviewer, mark, flags) == (None, "", [EXPIRED])
    assert system.one(f"select count(*) from {schema}.dead_letter") == 2
    assert (
        system.one(f"select count(*) from {schema}.dead_letter where around is null and parts is not null")
        == 2
    )
    accept(system.settings, schema, "tester", "why")
    assert [str(finding) for finding in verify(system.settings)] == []
    shown = hcp(system, "dlq", "list", "--json")
    (letter, *_rest) = json.loads(shown.stdout)
    told_of = hcp(system, "dlq", "show", letter["name"], "--body", "--clear")
    assert (told_of.returncode, PHONE in told_of.stdout) == (0, False), told_of.stderr


def test_a_letter_whose_key_is_destroyed_says_so(system: System) -> None:
    system.send_raw(Stream.REVIEW, b"{ no event")
    with system.worker():
        wait_for(lambda: system.fates() == {"dead_letter": 1}, 40, "the letter")
    destroy(system)
    ((topic, partition, offset),) = system.ask('select topic, partition, "offset" from dead_letter')
    name = f"{topic}/{partition}/{offset}"
    for words in (("show", name, "--body"), ("retry", name)):
        came = hcp(system, "dlq", *words)
        assert came.returncode == 1
        assert "was destroyed on" in came.stderr, came.stderr
        assert "by tester: a test: nothing is left to do but to discard it" in came.stderr
        assert "Traceback" not in came.stderr


def test_a_worker_destroys_what_is_due_when_it_starts(system: System) -> None:
    old = datetime(2020, 1, 15, tzinfo=UTC)
    system.send(review("old", 5, received_at=old.isoformat(), submitted_at="2020-01-14T00:00:00Z"))
    with system.worker():
        wait_for(lambda: system.fates() == {"stored": 1}, 40, "the review")
    keys(system).sealing(old)
    with system.worker():
        wait_for(lambda: keys(system).entries()[0].destroyed, 40, "the key to be destroyed")
    assert "month_key_destroyed" in system.log_text()
    (marker,) = [entry.destroyed for entry in keys(system).entries()]
    assert marker is not None
    assert (marker.by.startswith("worker-"), marker.why) == (True, "its retention was over")


def test_a_person_lists_and_destroys(system: System) -> None:
    assert hcp(system, "seal", "list").stdout.startswith("no month has a key yet in ")
    old, now = datetime(2020, 1, 15, tzinfo=UTC), datetime.now(UTC)
    keys(system).sealing(old)
    keys(system).sealing(now)
    listed = hcp(system, "seal", "list").stdout.splitlines()
    assert [line[:7] for line in listed] == ["2020-01", name_of(month_of(now))]
    assert [one["month"] for one in json.loads(hcp(system, "seal", "list", "--json").stdout)] == [
        line[:7] for line in listed
    ]
    unasked = hcp(system, "seal", "destroy", "2020-01", "--why", "a test")
    assert (unasked.returncode, "Destroy its key? It cannot be undone." in unasked.stdout) == (1, True), (
        "nobody says yes"
    )
    assert keys(system).entries()[0].destroyed is None
    refused = hcp(system, "seal", "destroy", name_of(month_of(now)), "--why", "a test", "--yes")
    assert (refused.returncode, "has not ended" in refused.stderr) == (1, True)
    done = hcp(system, "seal", "destroy", "2020-01", "--why", "a test", "--yes")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "destroyed; processes that run know it within half a minute",
    )
    assert (keys(system).entries()[0].destroyed or pytest.fail("no marker")).why == "a test"
    assert hcp(system, "seal", "list").stdout.splitlines()[0].endswith(": a test")
