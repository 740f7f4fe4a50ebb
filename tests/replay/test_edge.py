"""Which time of receipt counts is the same in a replay; of a log from before the signature nothing differs."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.edge import HEADER
from pipeline.replay.run import Order, begin, run
from schemas.topics import Stream
from tests.harness import System, case, now, review, signature
from tests.replay.story import everything, tell

pytestmark = pytest.mark.system

CLAIMED = ("claimed", "conflict", "refused", "resent")
"""Case numbers of the reviews that claim a time which nobody of ours has signed for them."""


def claims(system: System) -> None:
    """Claims that nobody signed, copied and damaged signatures, a record sent again; and what is signed as it should be."""
    earlier = {"received_at": now(hours=40), "submitted_at": now(hours=41)}
    topic = system.settings.kafka.topic(Stream.REVIEW)
    system.send(
        review("claimed", 1, **earlier), review("conflict", 1, **earlier), case("claimed"), signed=False
    )
    own = review("conflict", 5, received_at=now(hours=20), submitted_at=now(hours=21))
    system.send(own)
    refused, copied = review("refused", 1, **earlier), signature(system.edge, topic, json.dumps(own).encode())
    system.send_raw(Stream.REVIEW, json.dumps(refused).encode(), headers=dict(copied))
    resent, at = review("resent", 1), now(hours=10)
    system.send_raw(Stream.REVIEW, json.dumps(resent).encode(), headers={"hcp_received_at": at})
    system.send_raw(Stream.REVIEW, json.dumps(review("junk", 3)).encode(), headers={HEADER: "junk"})


def replayed(system: System, source: str) -> tuple[dict[str, Any], list[str]]:
    """All of a replayed ledger, and the names of the published numbers that differ."""
    schema = begin(system.settings, Order(source))
    found = run(system.settings, schema)
    return everything(system, schema), [one.name for one in found.differences]


def reviews(system: System, schema: str = "ledger") -> dict[str, tuple[Any, ...]]:
    """Of each review: time of receipt, sender, flags."""
    rows = system.ask(f"select case_no, satisfaction, received_at, sender, flags from {schema}.review")
    return {f"{case_no} {level}": tuple(rest) for case_no, level, *rest in rows}


@pytest.mark.parametrize("source", ["raw", "log"])
def test_a_log_from_before_the_signature_differs_in_nothing(system: System, source: str) -> None:
    system.begin_signatures(datetime.now(UTC) + timedelta(days=1))
    tell(system)
    claims(system)
    with system.worker():
        system.wait_until_caught_up()
    before = everything(system)
    kept = reviews(system)
    assert kept["claimed 1"][0] < datetime.now(UTC) - timedelta(hours=39), (
        "claims counted, as they always did"
    )
    assert {flag for _, _, flags in kept.values() for flag in flags}.isdisjoint(
        {"received_claimed", "edge_refused"}
    )
    again, differences = replayed(system, source)
    assert again == before
    assert differences == []
    system.begin_signatures(datetime(2026, 1, 1, tzinfo=UTC))
    schema = begin(system.settings, Order(source))
    run(system.settings, schema)
    now_kept = reviews(system, schema)
    differ = {name for name in kept if kept[name] != now_kept[name]}
    vouched = {name for name in kept if now_kept[name][1]}
    assert {name for name in differ if kept[name][0] != now_kept[name][0]} == {
        f"{case_no} 1" for case_no in CLAIMED
    }, "the same log, where claims need a signature: another time exactly where one was claimed in vain"
    assert differ == vouched | {f"{case_no} 1" for case_no in CLAIMED} | {"junk 3"}


@pytest.mark.parametrize("source", ["raw", "log"])
def test_what_was_signed_claimed_and_refused_comes_back_the_same(system: System, source: str) -> None:
    tell(system)
    claims(system)
    who = {
        "reviewer": {"name": "张三", "phone": "19900001234"}
    }  # sealed by the fold: what is kept is not what was signed
    system.send(review("who signed", 2, received_at=now(hours=2), submitted_at=now(hours=3), **who))
    with system.worker():
        system.wait_until_caught_up()
    before = everything(system)
    kept = reviews(system)
    assert kept["refused 1"][1:] == ("", ["edge_refused", "received_claimed"])
    assert kept["claimed 1"][1:] == ("", ["received_claimed"])
    assert kept["junk 3"][1:] == ("", ["edge_refused"])
    assert kept["who signed 2"][1:] == ("/test", [])
    effective = "select satisfaction from review where case_no = 'conflict' and effective"
    assert system.ask(effective) == [(5,)], "a forged time makes no review the effective one"
    again, differences = replayed(system, source)
    assert again == before
    assert differences == []
