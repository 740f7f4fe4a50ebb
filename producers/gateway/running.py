"""What runs beside the requests of a served gateway: devices are refreshed, the spool is forwarded, the heart beats."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool

from pipeline.ledger.pulse import Pulse
from pipeline.sealing import Sealer
from pipeline.settings import Settings
from producers.gateway.way_in import WayIn
from producers.spool.forwarder import Forwarder
from producers.spool.kafka_sink import KafkaSink

STOP_SECONDS = 0.5
"""For the records that are on their way to Kafka just now; what is not acknowledged by then is sent again at the next start."""


class Running:
    """Starts and stops it all, in order. `forwarder` says how the last attempt went."""

    def __init__(self, settings: Settings, way_in: WayIn) -> None:
        self._spool, self._devices, self._beside = way_in.spool, way_in.devices, way_in.beside
        self._ledger = way_in.ledger
        self.forwarder = Forwarder(way_in.spool, KafkaSink(settings.kafka, Sealer(settings.seal).edge))
        self._pulse = Pulse(settings, "gateway")

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """While the application is served. When it ends, no request comes any more, and none is being answered.

        The first request waits for the first look at the devices, some seconds at most: nobody is refused who was just added.
        """
        await run_in_threadpool(self._devices.refresh)
        self._devices.start()
        self.forwarder.start()
        self._pulse.start()
        for one in self._beside:
            one.start()
        try:
            yield
        finally:
            await run_in_threadpool(self._stop)

    def _stop(self) -> None:
        """1. What was accepted is committed (it is, or it was not accepted). 2. What is on its way. 3. The rest."""
        for one in self._beside:
            one.stop()
        self.forwarder.stop(STOP_SECONDS)
        self._spool.close()
        self._pulse.stop()
        self._devices.stop()
        self._ledger.stop()
