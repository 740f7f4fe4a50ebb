"""Both halves of a pair folded at the same moment by two worker processes, from every two partitions."""

import itertools
import json

import pytest

from schemas.topics import Stream
from tests.harness import System, case, review
from tests.wait import wait_for

pytestmark = pytest.mark.system
RUNNING = "select count(*)::int from office.component where state = 'running'"
SLOW = """
    import time
    from pipeline.ledger import fold
    right = fold.write
    def write(cursor, changes, stripe):
        right(cursor, changes, stripe)
        time.sleep(0.3)
    fold.Folder.__init__.__defaults__ = (0, write, True, fold.EPOCH)
"""
"""Transactions stay open for a while, so that those of the two workers overlap."""


def test_two_workers_miss_no_match_whatever_the_partitions(system: System) -> None:
    pairs = list(itertools.product(range(system.settings.kafka.partitions), repeat=2))
    with system.worker(SLOW), system.worker(SLOW):
        wait_for(lambda: system.one(RUNNING) == 2, 40, "both workers")
        for case_partition, review_partition in pairs:
            name = f"{case_partition}-{review_partition}"
            key = name.encode()
            system.send_raw(Stream.CASE, json.dumps(case(name)).encode(), key, partition=case_partition)
            system.send_raw(
                Stream.REVIEW, json.dumps(review(name, 1)).encode(), key, partition=review_partition
            )
        system.wait_until_caught_up(60)
    assert system.counters("matched", "unpaired") == {"matched": len(pairs)}
    assert system.one("select count(*)::int from repair") == 0, "the sweep had nothing to mend"
    stripes = system.one("select count(distinct stripe)::int from counter")
    assert stripes == 2, "both workers folded"
