"""Faust's Kafka transport, changed in six things: in what portions and in which order records come, from where, which, how, when.

Portions: one object for all records of a partition in a poll, with the range of the log that they cover, so that holes
(transaction markers, aborted records, compaction) are known to be no losses; all portions of a poll come as one message.
Order: partitions are aligned in time.
From: the ledger's positions. Which: committed records only, which Faust does not offer outside `exactly_once`; and none of a
partition that is blocked. How: by readers that raise nothing (`pipeline.worker.fetching`).
When: between two seeks, never while somebody seeks. See docs/decisions/0001-batches-into-a-faust-agent.md.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from pipeline.ledger.portion import Portion, Record, received_at
from pipeline.worker import fetching
from pipeline.worker.alignment import Alignment

MAX_RECORDS = 5_000
PARTS = 4
"""In how many parts a batch's share of a partition is read: alignment is as fine as a part, and each part costs a message."""
HOLD_SECONDS = 0.1
"""How long a partition that is ahead waits for one that is behind and does not come: alignment is no dependency."""
QUIET_SECONDS = 0.5
"""How long one poll waits for records when there are none, and a seek for that poll."""
LAST = 2**63 - 1
"""The offset of every round. Faust drops a message that lies before the last one of its partition, and keeps that place in a
field which another thread sets at a seek: a round after a seek was dropped now and then, with all its portions.
"""


@dataclass(slots=True)
class RoundRecord:
    """The portions of one poll in the shape of a Kafka record of one of their partitions, which is all that Faust looks at."""

    topic: str
    partition: int
    value: list[Portion]
    offset: int = LAST
    timestamp: int | None = None
    timestamp_type: int = 1
    headers: tuple[()] = ()
    key: None = None
    checksum: None = None
    serialized_key_size: int = 0
    serialized_value_size: int = 0


@dataclass(slots=True)
class Coverage:
    """What has been handed on of a partition: everything before `covered`, while the reader stands at `position`."""

    covered: int
    position: int


@dataclass(slots=True)
class Ranges:
    """Which range of the log each poll covers. A poll that finds only markers leaves its range to the next one."""

    _seen: dict[TP, Coverage] = field(default_factory=dict)

    def begin(self, tp: TP, position: int) -> int:
        """Where the range of this poll begins, given the reader's position before it."""
        seen = self._seen.get(tp)
        if seen is None or seen.position != position:  # the first poll, or somebody sought
            seen = self._seen[tp] = Coverage(position, position)
        return seen.covered

    def end(self, tp: TP, position: int) -> None:
        """Everything before `position` is handed on."""
        self._seen[tp] = Coverage(position, position)


class Thread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust is seen as untyped
    """The thread that polls."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ranges = Ranges()
        self._alignment: Alignment[TP] = Alignment()
        self._turn = asyncio.Lock()

    def _create_worker_consumer(self, transport: Any) -> Any:
        fetching.install()
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        return consumer

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        """Between two polls: in the middle of one, its records would be handed on to nobody."""
        async with self._turn:
            await super()._seek_wait(consumer, partitions)

    async def rejoin(self) -> None:
        """Have the group's partitions shared out anew, by what the log has now: done if this worker leads the group."""
        await self.call_thread(self._rejoin)

    async def _rejoin(self) -> None:
        consumer = self._ensure_consumer()
        await consumer._client.force_metadata_update()
        consumer._coordinator.request_rejoin()

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """As Faust's, which stops the worker for any error, such as that of a topic just deleted: no position depends on it."""
        try:
            await self._ensure_consumer().commit(
                {TopicPartition(*tp): offset for tp, offset in offsets.items() if tp in self.assignment()}
            )
        except (KafkaError, IllegalStateError) as error:
            self.log.warning("commit_failed: %r", error)
            return False
        return True

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: Any,
        timeout: float | None = None,  # noqa: ASYNC109, ARG002  Faust's signature
        max_records: int | None = None,
    ) -> dict[TP, list[RoundRecord]]:
        async with self._turn:
            return await self._round(consumer, active_partitions, max_records or MAX_RECORDS)

    async def _round(
        self, consumer: Any, active_partitions: Any, max_records: int
    ) -> dict[TP, list[RoundRecord]]:
        active = set(active_partitions) - self.app.blocked_partitions()
        if not active:  # Faust would read an empty set as all
            await asyncio.sleep(HOLD_SECONDS)
            return {}
        states = self._states(consumer)
        begins = {tp: self._ranges.begin(tp, state._position) for tp, state in states.items()}
        lagging = {tp for tp in active if tp in states and _lags(states[tp])}
        due = self._alignment.due(active, lagging, monotonic())
        share = max(1, max_records // (PARTS * max(1, len(lagging))))
        fetching.Result.most_bytes = fetching.ROUND_BYTES // max(1, len(lagging))
        polled = await self._poll(consumer, due, share)
        if not polled and due != active:  # what is behind is slow to come: hold the others no longer
            polled = await super()._fetch_records(consumer, due, timeout=HOLD_SECONDS, max_records=share)
        if not polled:
            polled = await super()._fetch_records(consumer, active, timeout=QUIET_SECONDS, max_records=share)
        after = {tp: state._position for tp, state in self._states(consumer).items()}
        moved = sorted(tp for tp, begin in begins.items() if after.get(tp, begin) > begin)
        if not moved:
            return {}
        portions = [self._portion(tp, begins[tp], after[tp], polled.get(tp, [])) for tp in moved]
        return {moved[0]: [RoundRecord(moved[0].topic, moved[0].partition, portions)]}

    async def _poll(self, consumer: Any, partitions: set[TP], share: int) -> dict[TP, list[Record]]:
        """What is here already, an equal share of each partition."""
        polled: dict[TP, list[Record]] = {}
        for tp in partitions:
            polled |= await super()._fetch_records(consumer, {tp}, timeout=0, max_records=share)
        return polled

    def _portion(self, tp: TP, start: int, end: int, records: list[Record]) -> Portion:
        self._ranges.end(tp, end)
        if records:
            self._alignment.read(tp, received_at(records[0]), received_at(records[-1]))
        return Portion(
            self.app.streams_by_topic[tp.topic],
            tp.topic,
            tp.partition,
            start,
            end,
            records,  # aiokafka's have all that a `Record` has
        )

    @staticmethod
    def _states(consumer: Any) -> dict[TP, Any]:
        """Aiokafka's state of each assigned partition whose position it knows."""
        subscription = consumer._subscription.subscription
        assignment = subscription.assignment if subscription else None
        if assignment is None:
            return {}
        states = {tp: assignment.state_value(tp) for tp in assignment.tps}
        return {
            TP(tp.topic, tp.partition): state
            for tp, state in states.items()
            if state and state._position is not None
        }


def _lags(state: Any) -> bool:
    """Whether the log has more of this partition that may be read; so it is assumed before the first answer."""
    end = state.highwater if state.lso is None else state.lso
    return end is None or state._position < end


class Consumer(driver.Consumer):  # type: ignore[misc]  # Faust is seen as untyped
    """The consumer: reading starts where the ledger stands."""

    def _new_consumer_thread(self) -> Thread:
        return Thread(self, loop=self.loop, beacon=self.beacon)

    async def rejoin(self) -> None:
        """Have the group's partitions shared out anew. Returns at once."""
        await self._thread.rejoin()

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek to the ledger's positions; Faust calls this after each rebalance."""
        positions: Mapping[TP, int] = await self.app.ledger_positions(self.assignment())
        await self.seek_wait(positions)
        return positions


class Transport(driver.Transport):  # type: ignore[misc]  # Faust is seen as untyped
    """Set with `app.transport = Transport([url], app)`. The app has `streams_by_topic`, `ledger_positions` and
    `blocked_partitions`: the set of those that are not read for now.
    """

    Consumer = Consumer
