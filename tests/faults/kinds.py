"""The faults, one function each: what stands before `yield` strikes, what stands behind it clears away.

Each yields the moment (monotonic) from which the return is counted: of the strike itself, or of the end of an outage whose
length was ours to choose.
"""

import signal
import time
from collections.abc import Callable, Iterator
from functools import partial

from kafka import TopicPartition as Partition

from pipeline import log
from pipeline.worker.slot import SESSION_SECONDS
from schemas.topics import Stream
from tests.faults.arena import Arena
from tests.faults.disk import fill
from tests.harness import HALVES
from tests.liveness.odd import ODD, bomb
from tests.liveness.servers import stopped
from tests.wait import wait_for

Fault = Callable[[Arena, float], Iterator[float]]
"""A fault; the second argument, in [0, 1), is its share of chance: which worker, how long."""
TAKE_OVER_SECONDS = 60.0
CROWD = 1_000
HEADER_NAME = "header-name-not-utf8"
POISON = {name: odd for name, odd in ODD.items() if odd.dead and odd.codec == "none"} | {
    f"bomb-{codec}": bomb(16 << 20, codec) for codec in ("gzip", "snappy", "lz4", "zstd")
}
"""What must be a dead letter. The bombs are small ones: the witness reads them, too."""


def _one(arena: Arena, chance: float) -> int:
    numbers = arena.crew.numbers
    return numbers[int(chance * len(numbers))]


def kill(arena: Arena, chance: float) -> Iterator[float]:
    """SIGKILL of a worker."""
    arena.crew.signal(_one(arena, chance), signal.SIGKILL)
    yield time.monotonic()


def terminate(arena: Arena, chance: float) -> Iterator[float]:
    """SIGTERM of a worker, which is started again."""
    arena.crew.signal(_one(arena, chance), signal.SIGTERM)
    yield time.monotonic()


def zombie(arena: Arena, chance: float) -> Iterator[float]:
    """SIGSTOP of a worker past its session's time-out; it wakes with a batch in its hands that another has folded."""
    one, began = _one(arena, chance), time.monotonic()
    arena.crew.signal(one, signal.SIGSTOP)
    yield began
    time.sleep(max(0.0, SESSION_SECONDS + 1 + 2 * chance - (time.monotonic() - began)))
    arena.crew.signal(one, signal.SIGCONT)


def nap(arena: Arena, chance: float) -> Iterator[float]:
    """SIGSTOP of a worker for a moment, in which nobody takes over."""
    one = _one(arena, chance)
    arena.crew.signal(one, signal.SIGSTOP)
    time.sleep(0.5 + 2 * chance)
    arena.crew.signal(one, signal.SIGCONT)
    yield time.monotonic()


def join(arena: Arena, _: float) -> Iterator[float]:
    """A worker more, which leaves again. Counted from its first heartbeat."""
    now = arena.system.one("select now()")
    beats = (
        "select count(*) from office.component where name like 'worker-%' and state = 'running' and at > :now"
    )
    number = arena.crew.join()
    wait_for(partial(_more_than, arena, beats, now), TAKE_OVER_SECONDS, "the third worker")
    yield time.monotonic()
    arena.crew.leave(number)


def _more_than(arena: Arena, beats: str, now: object) -> bool:
    return int(arena.system.one(beats, now=now)) > 2


def postgres_killed(arena: Arena, chance: float) -> Iterator[float]:
    """SIGKILL of PostgreSQL, or its immediate shutdown; then its recovery."""
    began = time.monotonic()
    arena.end_postgres(signal.SIGKILL if chance < 0.5 else signal.SIGQUIT)
    time.sleep(0.5)
    arena.start_postgres()
    yield began


def kafka_killed(arena: Arena, _: float) -> Iterator[float]:
    """SIGKILL of Kafka."""
    began = time.monotonic()
    arena.kill_kafka()
    yield began


def sessions_ended(arena: Arena, _: float) -> Iterator[float]:
    """Every session of the workers ended by the database."""
    arena.system.ask(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hcp-worker'"
    )
    yield time.monotonic()


def postgres_cut(arena: Arena, chance: float) -> Iterator[float]:
    """No connection to the database for a moment."""
    arena.to_postgres.cut()
    time.sleep(2 * chance)
    arena.to_postgres.heal()
    yield time.monotonic()


def kafka_cut(arena: Arena, chance: float) -> Iterator[float]:
    """No connection to the log for a moment."""
    arena.to_kafka.cut()
    time.sleep(2 * chance)
    arena.to_kafka.heal()
    yield time.monotonic()


def postgres_slow(arena: Arena, chance: float) -> Iterator[float]:
    """Every message to and from the database comes late. Counted from the strike: folding goes on."""
    arena.to_postgres.delay = 0.005 + 0.02 * chance
    yield time.monotonic()
    arena.to_postgres.heal()


def kafka_slow(arena: Arena, chance: float) -> Iterator[float]:
    """Every message to and from the log comes late. Counted from the strike: folding goes on."""
    arena.to_kafka.delay = 0.01 + 0.1 * chance
    yield time.monotonic()
    arena.to_kafka.heal()


def postgres_half_open(arena: Arena, _: float) -> Iterator[float]:
    """The connections to the database are gone, and nobody was told.

    Over when no slot hangs on a dead session any more: a worker that was killed before that could not have its own back.
    """
    dead = arena.slot_sessions()
    arena.to_postgres.vanish()
    yield time.monotonic()
    wait_for(lambda: dead.isdisjoint(arena.slot_sessions()), TAKE_OVER_SECONDS, "the dead sessions to end")


def kafka_half_open(arena: Arena, _: float) -> Iterator[float]:
    """The connections to the log are gone, and nobody was told."""
    arena.to_kafka.vanish()
    yield time.monotonic()


def disk_full(arena: Arena, chance: float) -> Iterator[float]:
    """No room left for the database, for a moment; where it has no disk of its own, every insert says so."""
    heal = fill(arena.folder / "postgres" / "ballast") if arena.own_disks else _refuse(arena)
    arena.feeder.burst(1_000)
    time.sleep(1 + chance)
    heal()
    began = time.monotonic()
    if (
        not arena.postgres.child or not arena.postgres.child.running
    ):  # it gave up: there was no room for its log
        arena.start_postgres()
    yield began


def _refuse(arena: Arena) -> Callable[[], None]:
    arena.system.tell(
        "create or replace function ledger.full_disk() returns trigger language plpgsql as"
        " $$ begin raise exception 'no space left on device' using errcode = '53100'; end $$"
    )
    arena.system.tell(
        "create trigger full_disk before insert on raw_block for each statement execute function ledger.full_disk()"
    )
    return partial(arena.system.tell, "drop function ledger.full_disk cascade")


def spool_full(arena: Arena, chance: float) -> Iterator[float]:
    """No room left for what the gateway takes, for a moment; then, until the ledger has an event that it took afterwards."""
    arena.hall.follow()  # what an outage of Kafka left in the spool is gone: the next return is this fault's own
    before, heal = len(arena.hall.turned_away), arena.hall.fill_disk()
    time.sleep(1 + chance)
    turned_away = len(arena.hall.turned_away) - before
    heal()
    began = time.monotonic()
    arena.hall.follow()
    if not turned_away:
        arena.hall.wrong["the spool's disk was full, and the gateway turned nobody away"] += 1
    yield began


def restored(arena: Arena, _: float) -> Iterator[float]:
    """The database of some faults ago is put in place of today's; a new backup is taken afterwards."""
    arena.restore()
    yield time.monotonic()
    arena.back_up()


def head_cut(arena: Arena, _: float) -> Iterator[float]:
    """Retention cuts the head of the log, as far as the oldest backup no longer needs it."""
    cuts = {Partition(*at): offset for at, offset in arena.restorable.items() if offset}
    arena.witness.read()
    with log.admin(arena.settings.kafka) as admin:
        admin.delete_records(cuts)
    yield time.monotonic()


def clock_jumps(arena: Arena, chance: float) -> Iterator[float]:
    """The workers' clock jumps, a day ahead or an hour back, and later back again."""
    arena.clock.jump(86_400.0 if chance < 0.5 else -3_600.0)
    yield time.monotonic()
    arena.clock.jump(0.0)


def poison(arena: Arena, chance: float) -> Iterator[float]:
    """Two records that cannot be read, on partitions of both topics: one for its header's name, one for what chance picks."""
    others, partitions = sorted(POISON), arena.feeder.mixture.partitions
    one = int(chance * 1_000)
    arena.poison(POISON[HEADER_NAME], HALVES[one % 2], one % partitions)
    arena.poison(POISON[others[int(chance * len(others))]], HALVES[1 - one % 2], (one + 1) % partitions)
    yield time.monotonic()


def skew(arena: Arena, _: float) -> Iterator[float]:
    """A thousand bad reviews under one key at once."""
    arena.feeder.crowd(CROWD)
    yield time.monotonic()


def topic_deleted(arena: Arena, chance: float) -> Iterator[float]:
    """The topic of tickets, or that of dead letters, is deleted and made again; over when what waited for it is sent."""
    arena.delete_topic(Stream.TICKET if chance < 0.5 else Stream.DEAD_LETTER)
    time.sleep(1 + 2 * chance)
    arena.declare_again()
    yield time.monotonic()
    waiting = "select count(*) from outbox where sent_at is null and created_at <= :now"
    now = arena.system.one("select now()")
    wait_for(lambda: arena.system.one(waiting, now=now) == 0, TAKE_OVER_SECONDS, "what waited to be sent")


def partition_added(arena: Arena, _: float) -> Iterator[float]:
    """One partition more on both input topics, which the load uses at once."""
    arena.add_partition()
    yield time.monotonic()


def postgres_hung(arena: Arena, chance: float) -> Iterator[float]:
    """SIGSTOP of every process of the database, 3 to 12 s; SIGCONT with all transactions where they were."""
    with stopped(arena.postgres):
        time.sleep(3 + 9 * chance)
    yield time.monotonic()


KINDS: dict[str, tuple[Fault, int]] = {
    "kill": (kill, 22),
    "terminate": (terminate, 14),
    "zombie": (zombie, 8),
    "nap": (nap, 8),
    "join": (join, 7),
    "postgres-killed": (postgres_killed, 14),
    "kafka-killed": (kafka_killed, 9),
    "sessions-ended": (sessions_ended, 11),
    "postgres-cut": (postgres_cut, 10),
    "kafka-cut": (kafka_cut, 9),
    "postgres-slow": (postgres_slow, 7),
    "kafka-slow": (kafka_slow, 8),
    "postgres-half-open": (postgres_half_open, 8),
    "kafka-half-open": (kafka_half_open, 6),
    "disk-full": (disk_full, 7),
    "spool-full": (spool_full, 5),
    "restored": (restored, 7),
    "head-cut": (head_cut, 6),
    "clock-jumps": (clock_jumps, 6),
    "poison": (poison, 8),
    "skew": (skew, 5),
    "topic-deleted": (topic_deleted, 5),
    "partition-added": (partition_added, 3),
    "postgres-hung": (postgres_hung, 7),
}
"""Each kind, and its share of a run of 200."""
