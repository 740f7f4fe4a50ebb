"""A replay: processes that fold their partitions into a fresh schema, and a parent that looks how far they are."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from types import MappingProxyType
from typing import NamedTuple

import psycopg2
from kafka.errors import KafkaError
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from pipeline import log
from pipeline.ledger import reroute
from pipeline.ledger.engine import opened_engine, transaction
from pipeline.ledger.failures import Stop
from pipeline.ledger.fold import Folder
from pipeline.ledger.received import signed_since
from pipeline.replay import fresh, register
from pipeline.replay.diff import Diff, diff
from pipeline.replay.folding import fold
from pipeline.replay.register import Replay
from pipeline.replay.source import Source
from pipeline.replay.spans import Span, anchored, spans
from pipeline.sealing import Sealer
from pipeline.settings import Settings

PROCESSES = 2
"""Each folds the partitions of its numbers; the database needs the rest of the machine."""
LOOK_SECONDS = 0.2
READ_ONLY = {"default_transaction_read_only": "on"}
LAZY = {"synchronous_commit": "off"}
"""A crash of the server takes the last batches whole, positions with them: resuming folds them again."""

Progress = Callable[[int, int], None]
"""Told how many records are folded, and of how many."""


class Order(NamedTuple):
    """What is asked for, and by whom. `source`: raw or log; limits as `pipeline.replay.spans` reads them."""

    source: str = "raw"
    since: tuple[str, ...] = ()
    until: tuple[str, ...] = ()
    by: str = ""


def opened(
    settings: Settings, server: Mapping[str, str] = MappingProxyType({})
) -> AbstractContextManager[Engine]:
    """An engine on the schema of these settings, given back at the end."""
    return opened_engine(settings.database, "replay", pool_size=2, **server)


def begin(settings: Settings, order: Order) -> str:
    """Make the schema and its entry in the register; returns its name. `settings.rules` are what it will be folded by.

    Blocks. Raises Stop, and leaves nothing behind, for limits that name nothing and for tables that are not up to date;
    NotConfiguredError without a sealing key.
    """
    Sealer(settings.seal)
    schema = f"replay_{datetime.now(UTC):%Y%m%d_%H%M%S_%f}"
    zone = settings.rules.policy().zone
    since, until = ([anchored(words, zone) for words in limits] for limits in (order.since, order.until))
    with opened(settings) as pool:
        with transaction(pool) as cursor:
            spans(cursor, settings.kafka, since, until)
        with pool.begin() as connection:
            revision = register.revision(connection, settings)
            rules = settings.rules.model_dump()
            register.enter(
                connection,
                schema=schema,
                source=order.source,
                rules=rules,
                since=since,
                until=until,
                revision=revision,
                begun_by=order.by,
            )
            fresh.make(connection, schema)
    return schema


def run(settings: Settings, schema: str, progress: Progress = lambda *_: None) -> Diff:
    """Fold what is left, up to where the live ledger stands (or the limits); then compare. Blocks.

    Raises Stop with a sentence when it cannot go on, NotConfiguredError without a sealing key; called again, it goes on
    where it was.
    """
    Sealer(settings.seal)
    with opened(settings) as pool, register.claimed(pool, schema):
        with pool.connect() as connection:
            replay = register.find(connection, schema)
        _fold_all(settings, replay, progress)
        found = diff(pool, settings, replay)
        with pool.begin() as connection:
            register.note(connection, schema, state="done", diff=found._asdict())
    return found


def todo(live: Engine, settings: Settings, replay: Replay) -> list[Span]:
    """What this replay has to read, as the live ledger stands now. Blocks."""
    with transaction(live) as cursor:
        return spans(cursor, settings.kafka, replay.since, replay.until)


def source_of(live: Engine, settings: Settings, replay: Replay) -> Source:
    """Where this replay reads."""
    marks = log.watermarks(settings.kafka) if replay.source == "log" else []
    return Source(lambda: transaction(live), Sealer(settings.seal), settings.kafka, marks)


def folder_of(live: Engine, settings: Settings, replay: Replay, stripe: int = 0) -> Folder:
    """The live worker's fold, with the replay's rules, and silent: what it would tell the log has been told. Blocks."""
    rules = replay.settings(settings).rules
    return Folder(rules.policy(), Sealer(settings.seal), stripe, tells=False, signed_since=signed_since(live))


def _fold_all(settings: Settings, replay: Replay, progress: Progress) -> None:
    with opened(settings, READ_ONLY) as live:
        work = todo(live, settings, replay)
        with opened(replay.settings(settings)) as replayed:
            with _started(settings, replay, work) as crew:
                total = _records(live, work)
                while crew.working():
                    progress(_done(replayed), total)
            progress(_done(replayed), total)
            with replayed.begin() as connection:
                connection.execute(text("analyze service, case_version, review, ticket, counter, raw_block"))
            reroute.finish(replayed, folder_of(live, settings, replay))


class _Crew(NamedTuple):
    processes: list[BaseProcess]
    said: SimpleQueue[str]

    def working(self) -> bool:
        """Whether there is still something to do; waits a moment. Raises Stop when a process has failed."""
        alive = [process for process in self.processes if process.is_alive()]
        if alive:
            alive[0].join(LOOK_SECONDS)
        failed = [process.exitcode for process in self.processes if process.exitcode]
        if failed:
            cause = f"a process ended with {failed[0]}" if self.said.empty() else self.said.get()
            raise Stop(f"{cause} (nothing is lost: `hcp replay resume` goes on)")
        return bool(alive)


@contextmanager
def _started(settings: Settings, replay: Replay, work: list[Span]) -> Iterator[_Crew]:
    """The processes at work. One that is ended in the middle leaves no half of a batch."""
    context = multiprocessing.get_context("spawn")
    said = context.SimpleQueue()
    shares = [[span for span in work if span.partition % PROCESSES == n] for n in range(PROCESSES)]
    processes: list[BaseProcess] = [
        context.Process(target=_share, args=(settings, replay, share, stripe, said), daemon=True)
        for stripe, share in enumerate(shares)
    ]
    for process in processes:
        process.start()
    try:
        yield _Crew(processes, said)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _share(
    settings: Settings, replay: Replay, share: list[Span], stripe: int, said: "SimpleQueue[str]"
) -> None:
    """One process: its partitions, in its stripe of the counters."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    try:
        with opened(settings, READ_ONLY) as live, opened(replay.settings(settings), LAZY) as replayed:
            folder = folder_of(live, settings, replay, stripe)
            fold(source_of(live, settings, replay), replayed, folder, share, _end_with_the_parent)
    except (Stop, psycopg2.Error, DBAPIError, KafkaError) as error:
        said.put(str(error).strip().splitlines()[0])
        sys.exit(1)


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent and not parent.is_alive():
        os._exit(1)


def _done(replayed: Engine) -> int:
    with replayed.connect() as connection:
        return int(connection.scalar(text("select coalesce(sum(records), 0) from stream_position")) or 0)


def _records(live: Engine, work: list[Span]) -> int:
    """How many records lie in these spans; blocks that a limit cuts count whole."""
    query = """
        select coalesce(sum(b.records), 0) from raw_block b
        join unnest(%s::text[], %s::smallint[], %s::text[], %s::bigint[], %s::bigint[])
            as s (topic, partition, topic_id, start, until) using (topic, partition, topic_id)
        where b.end_offset > s.start and b.first_offset < s.until"""
    with transaction(live) as cursor:
        cursor.execute(
            query, [list(column) for column in zip(*(span[1:6] for span in work), strict=True)] or [[]] * 5
        )
        return int((cursor.fetchone() or [0])[0])
