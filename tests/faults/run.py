"""A run: faults one after the other, each followed to its end; then the verdict."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from pipeline.ledger.positions import TopicPartition
from pipeline.ledger.verify import verify
from tests.bench.figures import Wrong
from tests.faults.arena import Arena
from tests.faults.judge import judge
from tests.faults.kinds import KINDS
from tests.wait import wait_for

BURST = 400
"""Records that every fault meets on their way, and as many again right after it."""
STILL_SECONDS = 90.0
"""A partition whose position has not moved for so long stands still. One that moves may take longer: after `restored` it folds
again what came since the backup.
"""
LOOK_SECONDS = 0.05
CHECK_EVERY = 25
SUDDEN_ENDS = 3
"""So many workers in a row that end with an error of their own are no accident."""


@dataclass(frozen=True)
class Struck:
    """A fault that was done: seconds from the run's beginning, from the strike until all was well, and until the slowest
    partition had folded a record that the log took after the strike.
    """

    number: int
    kind: str
    at: float
    took: float
    recovery: float


@dataclass
class Ledger:
    """What a run did and found. `taken`, `turned_away`: events by what the gateway said."""

    seed: int
    struck: list[Struck] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    records: int = 0
    taken: int = 0
    turned_away: int = 0
    sudden_ends: int = 0


def plan(seed: int, faults: int, only: Sequence[str] = ()) -> list[tuple[str, float]]:
    """Which kinds, in which order, each with its share of chance: every kind by its weight, at least once if there is room."""
    chance = random.Random(seed)
    weights = {name: weight for name, (_, weight) in KINDS.items() if not only or name in only}
    total = sum(weights.values())
    kinds = [name for name, weight in weights.items() for _ in range(max(1, round(weight * faults / total)))]
    chance.shuffle(kinds)
    if len(kinds) > faults:
        once = list(dict.fromkeys(kinds))
        kinds = (once + [kind for kind in weights for _ in range(kinds.count(kind) - 1)])[:faults]
    kinds += chance.choices(list(weights), list(weights.values()), k=faults - len(kinds))
    return [(kind, chance.random()) for kind in kinds]


def run(arena: Arena, faults: Sequence[tuple[str, float]], say: Callable[[Struck], None]) -> Ledger:
    """Strike these, one after the other; what is wrong ends the run early. Blocks. Stops feeder and hall."""
    ledger, began = Ledger(arena.seed), time.monotonic()
    try:
        _settle(arena)
        arena.back_up()
        for number, (kind, chance) in enumerate(faults, start=1):
            ledger.struck.append(_strike(arena, number, kind, chance, began))
            say(ledger.struck[-1])
            if number % CHECK_EVERY == 0:
                _check(arena)
        arena.hall.finish()
        arena.feeder.finish()
        ledger.wrong += judge(arena.system, arena.feeder, arena.hall, arena.witness, arena.poisoned)
    except Wrong as wrong:
        ledger.wrong.append(str(wrong))
    except Exception as error:  # noqa: BLE001  what was done until then is told all the same
        ledger.wrong.append(
            f"the harness itself, after fault {len(ledger.struck)}: {type(error).__name__}: {error}"
        )
    ledger.records, ledger.sudden_ends = len(arena.feeder.acknowledged), len(arena.crew.ends)
    ledger.taken, ledger.turned_away = len(arena.hall.taken), len(arena.hall.turned_away)
    return ledger


def _strike(arena: Arena, number: int, kind: str, chance: float, began: float) -> Struck:
    at = time.monotonic()
    arena.feeder.burst(BURST)
    fault = KINDS[kind][0](arena, chance)
    try:
        since = next(fault)
        recovery = _come_back(arena, since)
        for _ in fault:
            raise RuntimeError(f"{kind} strikes twice")
        _settle(arena)
    except Wrong as wrong:
        raise Wrong(f"fault {number}, {kind}: {wrong}") from None
    return Struck(number, kind, at - began, time.monotonic() - at, recovery)


def _settle(arena: Arena) -> None:
    """Wait until all workers share the partitions and each partition moves. Raises Wrong."""
    try:
        wait_for(arena.shared, STILL_SECONDS, "the workers to share the partitions")
    except AssertionError as error:
        raise Wrong(str(error)) from None
    _come_back(arena, time.monotonic())


def _come_back(arena: Arena, since: float) -> float:
    """Wait until each partition has folded something that the log took after now; returns the seconds from `since`.

    Raises Wrong.
    """
    first, moved, ends = arena.feeder.mark(), set[TopicPartition](), len(arena.crew.ends)
    standing: dict[TopicPartition, tuple[int, float]] = {}
    arena.feeder.burst(BURST)
    partitions = 2 * arena.feeder.mixture.partitions
    while len(moved) < partitions:
        time.sleep(LOOK_SECONDS)
        now = time.monotonic()
        for at, offset in _positions(arena).items():
            standing[at] = standing[at] if at in standing and standing[at][0] == offset else (offset, now)
        moved |= {at for at, (offset, _) in standing.items() if offset > first.get(at, offset)}
        last = max([since, *(when for at, (_, when) in standing.items() if at not in moved)])
        if now - last > STILL_SECONDS:
            raise Wrong(f"{partitions - len(moved)} partitions stand still for {STILL_SECONDS:.0f} s")
        if len(arena.crew.ends) - ends > SUDDEN_ENDS:
            raise Wrong(f"workers end again and again: {arena.system.log_text()[-500:]}")
    return time.monotonic() - since


def _positions(arena: Arena) -> dict[TopicPartition, int]:
    try:
        return arena.positions()
    except DBAPIError:
        return {}


def _check(arena: Arena) -> None:
    """`hcp verify` on the way; rows of the outbox may wait for Kafka."""
    found = [str(one) for one in verify(arena.settings) if "outbox" not in one.check]
    if found:
        raise Wrong("; ".join(found))
