"""A soak: Kafka is gone for a long time under load, and the gateway is killed twice meanwhile. Every 202 arrives once."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pipeline.ledger.verify import verify
from producers.simulator.check import check
from producers.simulator.report import summary
from producers.simulator.tally import Tally
from tests.soak.ground import COUNTY, Ground
from tests.wait import wait_for

KILLS = 2
CALM_SECONDS = 5.0
"""Load with everything there, before and after."""
EXPECTED = frozenset({"already_reviewed", "page_409"})
"""Some citizens try twice with one link: that is refused to them."""
DRAIN_SECONDS = 120.0
"""For the backlog of a minute; also for one of less."""
_UNSENT = "select count(*) from outbox where sent_at is null and set_aside_at is null"

Say = Callable[[str], None]


@dataclass
class Soaked:
    """What a run did and found. Seconds: how long Kafka was gone, and from the end of the load until all was in the ledger.

    `taken`: distinct events with a 202; `lost_answers`: requests without an answer.
    """

    kafka_gone: float = 0.0
    taken: int = 0
    lost_answers: int = 0
    drained: float = 0.0
    duplicates: int = 0
    wrong: list[str] = field(default_factory=list)


def soak(ground: Ground, minutes: float, pace: float, say: Say, drain: float = DRAIN_SECONDS) -> Soaked:
    """1. Load. 2. Kafka gone, the gateway killed. 3. Kafka back, the load ends. 4. The verdict. Blocks for all that.

    `drain`: seconds that the backlog of a minute may take to the ledger.
    """
    gone, soaked = minutes * 60, Soaked()
    load = ground.load(pace, gone + 3 * CALM_SECONDS)
    time.sleep(CALM_SECONDS)
    began = time.monotonic()
    _strike(ground, gone, say)
    ground.bring_kafka_back()
    soaked.kafka_gone = time.monotonic() - began
    say(f"Kafka is back after {soaked.kafka_gone:,.0f} s")
    tally = load.result()
    say(summary(COUNTY, tally, fast=False))
    soaked.taken, soaked.lost_answers = len(tally.taken), tally.again.total()
    _judge(ground, tally, soaked, max(1.0, minutes) * drain)
    return soaked


def _strike(ground: Ground, gone: float, say: Say) -> None:
    """Kafka is ended, and so long later it may come back."""
    ground.end_kafka()
    say("Kafka is gone")
    end = time.monotonic() + gone
    for number in range(1, KILLS + 1):
        time.sleep(gone / (KILLS + 1))
        ground.kill_gateway()
        say(f"the gateway was killed, {number} of {KILLS}, and is back")
    time.sleep(max(0.0, end - time.monotonic()))


def _judge(ground: Ground, tally: Tally, soaked: Soaked, seconds: float) -> None:
    began = time.monotonic()
    soaked.wrong += check(ground.settings, tally.expect(COUNTY.case_prefix), seconds)
    soaked.drained = time.monotonic() - began
    if not soaked.wrong:
        soaked.wrong += _of_the_ledger(ground)
    soaked.duplicates = ground.system.fates().get("duplicate", 0)
    refused = {kind: many for kind, many in tally.refused.items() if kind not in EXPECTED}
    soaked.wrong += [f"refused: {refused}"] if refused else []


def _of_the_ledger(ground: Ground) -> Iterator[str]:
    """Whole in itself, as soon as its worker has caught up and sent what it has to say."""
    try:
        ground.system.wait_until_caught_up(DRAIN_SECONDS)
        wait_for(lambda: ground.system.one(_UNSENT) == 0, DRAIN_SECONDS, "the outbox to be sent")
    except AssertionError as late:
        yield str(late)
        return
    yield from (str(finding) for finding in verify(ground.settings))
