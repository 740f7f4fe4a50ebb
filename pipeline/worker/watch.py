"""The watch: compares log, ledger and reader without waiting for a record.

A database restored on a quiet Sunday, a lost batch with nothing behind it, a head cut by retention, a topic made anew,
partitions that were added: each is noticed within `watch_seconds`.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Any

from aiokafka.errors import IllegalStateError
from faust.types import TP
from sqlalchemy import Engine

from pipeline import log as kafka_log
from pipeline.ledger.blockades import step_over
from pipeline.ledger.engine import transaction
from pipeline.ledger.positions import MadeAnew, TopicPartition, reconcile
from pipeline.settings import Kafka
from pipeline.worker.folding import Folding

log = logging.getLogger(__name__)


class Watch:
    """Knows the ledger's positions and the log's ends. `made_anew` holds the topics that nothing is folded of."""

    def __init__(self, ledger: Engine, kafka: Kafka, group: str, folding: Folding) -> None:
        self._ledger = ledger
        self._kafka = kafka
        self._group = group
        self._folding = folding
        self.made_anew: list[MadeAnew] = []
        self._apart: dict[TopicPartition, tuple[int, int]] = {}
        """Where reader and ledger stood at the last look, if not at the same place."""

    async def starts(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Where to read each of these partitions from; none of a topic that was made anew."""
        starts, anew = await asyncio.to_thread(self._reconcile, set(partitions))
        for one in anew:
            if one not in self.made_anew:
                log.error("topic_made_anew", extra={"advice": str(one)})
        self.made_anew = anew
        self._folding.made_anew = {(one.position.topic, one.position.partition) for one in anew}
        return starts

    async def check(self, consumer: Any) -> Mapping[TopicPartition, int]:
        """What must be read again: the reader stands elsewhere than the ledger, and nothing is on its way.

        So it is if nothing waits to be folded, or if neither has moved since the last look.
        """
        idle = self._folding.idle
        starts = await self.starts([(tp.topic, tp.partition) for tp in consumer.assignment()])
        idle = idle and self._folding.idle
        try:
            stand = {at: await consumer.position(TP(*at)) for at in starts}
        except IllegalStateError:
            return {}  # another worker has the partition by now: it begins where the ledger stands
        moving = starts.keys() - self._folding.not_read()
        before = self._apart
        self._apart = {
            at: (stand[at], starts[at]) for at in moving if stand[at] is not None and stand[at] != starts[at]
        }
        return {at: starts[at] for at, apart in self._apart.items() if idle or before.get(at) == apart}

    async def unread(self) -> set[TopicPartition]:
        """Partitions of the log that no worker reads: added or made again, and the group's leader does not know."""
        return await asyncio.to_thread(kafka_log.unassigned, self._kafka, self._group)

    def _reconcile(self, partitions: set[TopicPartition]) -> tuple[dict[TopicPartition, int], list[MadeAnew]]:
        with transaction(self._ledger) as cursor:
            self._folding.step_over(step_over(cursor))
            return reconcile(cursor, partitions, lambda: kafka_log.watermarks(self._kafka))
