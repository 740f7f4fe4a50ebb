"""Both halves of a pair folded at the same moment: they meet at the service's row, or the match is missed.

A foreign producer's partitioner can put them into partitions of different numbers, so no lock on positions can help.
"""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from pipeline.ledger.decode import decode
from pipeline.ledger.engine import engine, transaction
from pipeline.ledger.failures import Failure, classify
from pipeline.ledger.fold import Folder
from pipeline.ledger.portion import Portion, Record
from pipeline.ledger.positions import reconcile
from pipeline.ledger.sweep import sweep
from pipeline.ledger.write import write
from pipeline.log import Watermark
from pipeline.rules.fold import Changes
from pipeline.rules.policy import Policy
from pipeline.sealing import Sealer
from pipeline.settings import Settings
from schemas.topics import Stream
from tests.harness import case, review

pytestmark = pytest.mark.system
NOW_MS = int(datetime.now(UTC).timestamp() * 1000)


def portion(stream: Stream, partition: int, event: dict[str, Any]) -> Portion:
    record = Record(0, NOW_MS, b"k", (), json.dumps(event).encode())
    return Portion(stream, stream.value, partition, 0, 1, [record])


def fold_both(
    settings: Settings, partitions: tuple[int, int], write_: Callable[[Cursor, Changes, int], None]
) -> int:
    """Fold a case and its review in two transactions that both have read before either has written; returns retries."""
    portions = [
        portion(Stream.CASE, partitions[0], case("A")),
        portion(Stream.REVIEW, partitions[1], review("A", 1)),
    ]
    pool = engine(settings.database, "test", lock_timeout="10s")
    with transaction(pool) as cursor:
        marks = [Watermark(p.topic, p.partition, "id", 0, 1) for p in portions]
        reconcile(cursor, {(p.topic, p.partition) for p in portions}, lambda: marks)
    read, retries = threading.Barrier(2), []

    def work(one: Portion, stripe: int) -> None:
        first = [True]

        def meet(cursor: Cursor, changes: Changes, stripe_: int) -> None:
            if first.pop() if first else False:
                read.wait(10)
            write_(cursor, changes, stripe_)

        folder = Folder(Policy(), Sealer(settings.seal), stripe, meet)
        borrowed = pool.raw_connection()
        connection: Connection = borrowed.driver_connection  # type: ignore[assignment]
        while True:
            try:
                folder.fold(connection, [decode(one, folder.sealer)])
                break
            except Exception as error:
                if classify(error) is not Failure.RETRY_NOW:
                    raise
                retries.append(error)
        borrowed.close()

    threads = [threading.Thread(target=work, args=(one, stripe)) for stripe, one in enumerate(portions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    pool.dispose()
    return len(retries)


def outcome(settings: Settings) -> list[Any]:
    pool = engine(settings.database, "test")
    with transaction(pool) as cursor:
        cursor.execute("select outcome, open_since is null from service")
        services = cursor.fetchall()
        cursor.execute("select sum(services)::int, sum(matched)::int, sum(unpaired)::int from counter")
        sums = cursor.fetchone()
        cursor.execute("select routed_by from ticket")
        routes = cursor.fetchall()
    pool.dispose()
    return [services, sums, routes]


MET = [[("matched", True)], (1, 1, 0), [("case",)]]


@pytest.mark.parametrize("partitions", [(0, 0), (0, 3)], ids=["same number", "different numbers"])
def test_two_halves_meet_at_the_services_row(ledger: Settings, partitions: tuple[int, int]) -> None:
    assert fold_both(ledger, partitions, write) >= 1, "whoever comes second runs into the unique key"
    assert outcome(ledger) == MET


def without_placeholder(cursor: Cursor, changes: Changes, stripe: int) -> None:
    """The broken twin: a review that finds no service leaves no row for the case to run into."""
    waiting = [change for change in changes.dossiers if change.settled.current is None]
    others = [change for change in changes.dossiers if change.settled.current is not None]
    for change in waiting:
        key, change.dossier.key = change.dossier.key, replace(change.dossier.key, case_no="")
        write(cursor, Changes([change], {}, {}), stripe)
        change.dossier.key = key
    write(cursor, Changes(others, changes.tally, {}), stripe)


@pytest.mark.parametrize("partitions", [(0, 0), (0, 3)], ids=["same number", "different numbers"])
def test_the_twin_without_a_placeholder_misses_the_match_and_the_sweep_finds_it(
    ledger: Settings, partitions: tuple[int, int]
) -> None:
    assert fold_both(ledger, partitions, without_placeholder) == 0
    assert outcome(ledger) == [[(None, False)], (1, 0, 1), [("county",)]]
    pool = engine(ledger.database, "test")
    repaired = sweep(pool, Folder(Policy(), Sealer(ledger.seal)), datetime(2000, 1, 1, tzinfo=UTC))
    assert [key.case_no for key in repaired] == ["A"]
    assert outcome(ledger) == MET
    assert sweep(pool, Folder(Policy(), Sealer(ledger.seal)), datetime(2000, 1, 1, tzinfo=UTC)) == []
    pool.dispose()
