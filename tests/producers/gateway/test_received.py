"""Where a review is that the gateway itself has long forgotten."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.settings import Settings
from producers.gateway.ledger import Ledger
from producers.gateway.received import Received
from producers.spool.spool import Spool
from tests.consumers.filling import fill, police_case
from tests.harness import review

pytestmark = pytest.mark.system


def test_a_review_of_a_case_is_found_though_the_spool_knows_nothing_of_it(
    ledger: Settings, tmp_path: Path
) -> None:
    at = "2026-06-09T10:00:00+08:00"
    known = review("C-1", submitted_at=at, received_at=at)
    fill(ledger, police_case("C-1"), known)
    with Spool(tmp_path / "empty", max_bytes=2**24, keep_sent=timedelta(days=1)) as spool:
        asked = Ledger(ledger.database)
        received = Received(spool, asked)
        seen = asyncio.run(received.find(known["event_id"]))
        assert asyncio.run(received.find(review("C-1")["event_id"])) is None
        asked.stop()
    assert seen is not None
    assert (seen.state, seen.received_at.isoformat()) == ("in-ledger", "2026-06-09T02:00:00+00:00")
