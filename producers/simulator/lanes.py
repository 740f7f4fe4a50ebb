"""Lanes: parcels that must keep their order go by the same courier, all others by whichever; nobody waits for another lane."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import groupby
from zlib import crc32

from producers.simulation.step import Step, Way
from producers.simulator.asking import Stopped
from producers.simulator.courier import Courier, Parcel

IN_LANE = 200
"""Parcels that wait in a lane at most; then the plan waits."""
IN_BATCH = 200
CITIZENS = 4
"""Every fourth lane is for citizens: what one address may not send more often keeps no terminal waiting."""


class Lanes:
    """A courier and a task each. After a stop they let go of what they are handed."""

    def __init__(self, many: int, courier: Callable[[], Courier]) -> None:
        self._couriers = [courier() for _ in range(max(2, many))]
        self._queues: list[asyncio.Queue[Parcel | None]] = [asyncio.Queue(IN_LANE) for _ in self._couriers]
        self._citizens = max(1, many // CITIZENS)

    def open(self, group: asyncio.TaskGroup) -> None:
        """Begin to deliver."""
        for courier, queue in zip(self._couriers, self._queues, strict=True):
            group.create_task(_deliver(courier, queue))

    async def put(self, parcel: Parcel) -> None:
        """Hand it over, in the order in which it has to be sent. Waits while its lane is full."""
        await self._queues[self._lane(parcel[0])].put(parcel)

    async def end(self) -> None:
        """Nothing more is handed over."""
        for queue in self._queues:
            await queue.put(None)

    def _lane(self, step: Step) -> int:
        """A terminal's own; a case's own."""
        signed = len(self._queues) - self._citizens
        key = step.sender if step.way is Way.CHAIN else step.event.case_no or step.event.event_id
        number = crc32(str(key).encode())
        return number % signed if step.sender else signed + number % self._citizens


async def _deliver(courier: Courier, queue: asyncio.Queue[Parcel | None]) -> None:
    while parcel := await queue.get():
        with suppress(Stopped):
            await courier.deliver(parcel)
    courier.close()


def parcels(steps: Iterable[Step]) -> Iterator[Parcel]:
    """Neighbours of a batch are one parcel, of IN_BATCH steps at most; every other step is one of its own. Pure."""
    numbered = enumerate(steps)
    for (_, sender, _), group in groupby(numbered, lambda pair: _parcel(*pair)):
        together = [step for _, step in group]
        size = IN_BATCH if sender else 1
        yield from (together[at : at + size] for at in range(0, len(together), size))


def _parcel(number: int, step: Step) -> tuple[object, ...]:
    return (0, step.sender, step.at) if step.way is Way.BATCH else (number, "", step.at)
