"""Workers that catch up with a backlog: how far they were when, and whether the ledger is right at the end."""

import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict

import psycopg2

from pipeline.ledger.verify import verify
from tests.bench.figures import Point, Wrong
from tests.bench.load import Must
from tests.bench.stage import Backlog
from tests.harness import System

LOOK_SECONDS = 0.05
STALL_SECONDS = 120.0

Workers = Sequence["subprocess.Popen[bytes]"]


def follow(
    system: System,
    backlog: Backlog,
    workers: int,
    watch: Callable[[Workers], None] = lambda _: None,
    code: str = "",
) -> list[Point]:
    """Run worker processes until all is folded; returns the curve from their start. Blocks.

    `watch` is called at every look; `code` runs in each process first. Raises Wrong when a worker ends or stands still,
    or when the ledger is not whole at the end or does not count what the load says.
    """
    with ExitStack() as stack:
        began = time.monotonic()
        processes = [stack.enter_context(system.worker(code)) for _ in range(workers)]
        curve = _curve(system, backlog.records, began, lambda: watch(processes), processes)
    check(system, backlog.must)
    return curve


def _curve(
    system: System, records: int, began: float, watch: Callable[[], None], processes: Workers
) -> list[Point]:
    curve: list[Point] = [(0.0, 0)]
    connection = psycopg2.connect(system.settings.database.url.get_secret_value())
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        while curve[-1][1] < records:
            time.sleep(LOOK_SECONDS)
            cursor.execute("select coalesce(sum(records), 0)::bigint from ledger.stream_position")
            folded = int((cursor.fetchone() or [0])[0])
            elapsed = time.monotonic() - began
            if folded > curve[-1][1]:
                curve.append((elapsed, folded))
            stuck = elapsed - curve[-1][0] > STALL_SECONDS
            if stuck or any(process.poll() is not None for process in processes):
                raise Wrong(
                    f"{'stands still' if stuck else 'a worker ended'} at {folded}: {system.log_text()[-800:]}"
                )
            watch()
    return curve


def check(system: System, must: Must) -> None:
    """Is the ledger whole, and does it count what the load says? Blocks; raises Wrong."""
    check_whole(system)
    got = counted(system)
    if got != must:
        raise Wrong(f"the ledger counts {asdict(got)}, the load says {asdict(must)}")


def check_whole(system: System) -> None:
    """What `hcp verify` asks. Blocks; raises Wrong."""
    findings = verify(system.settings)
    if findings:
        raise Wrong(f"the ledger is not whole: {'; '.join(str(finding) for finding in findings)}")


def counted(system: System) -> Must:
    """What the ledger holds, in the load's words."""
    sums = system.counters("services", "review_records", "unpaired", "matched", "matched_late")
    late = sums.get("matched_late", 0)
    return Must(
        cases=sums.get("services", 0),
        reviews=sums.get("review_records", 0),
        duplicates=system.fates().get("duplicate", 0),
        orphans=sums.get("unpaired", 0),
        bad=int(system.one("select count(*) from ticket")),
        matched_services=sums.get("matched", 0) + late,
        matched_late=late,
    )
