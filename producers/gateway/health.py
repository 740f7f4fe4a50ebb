"""/healthz, /readyz, /metrics: for the operator and for who watches."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Literal

import msgspec
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from producers.gateway.answers import answer
from producers.gateway.guard import Auth, Guarded, Rate
from producers.gateway.reachable import trouble
from producers.gateway.way_in import WayIn
from producers.spool.errors import SpoolError

ANSWER_SECONDS = 2.0
FRESH_SECONDS = 3.0
"""Everybody may ask; more often than so, the answer is the last one: nothing is written, and Kafka is not asked."""


class Check(msgspec.Struct):
    """One thing that the gateway needs. `reason`: what is wrong with it."""

    ok: bool
    reason: str = ""


class Readiness(msgspec.Struct):
    """`degraded`: events are taken and wait on this disk. `not-ready`: nothing can be taken."""

    status: Literal["ready", "degraded", "not-ready"]
    spool: Check
    kafka: Check


class Health:
    """The endpoints."""

    def __init__(self, way_in: WayIn, clock: Callable[[], float] = time.monotonic) -> None:
        self._way_in, self._clock = way_in, clock
        self._looking = asyncio.Lock()
        self._looked, self._last = -FRESH_SECONDS, Readiness("not-ready", Check(ok=False), Check(ok=False))

    async def healthz(self, _: Request) -> Response:
        """The process answers."""
        return PlainTextResponse("ok\n")

    async def readyz(self, _: Request) -> Response:
        """Whether events are taken (200) or not (503). Who asks while somebody looks, waits for the same answer."""
        async with self._looking:
            if self._clock() - self._looked >= FRESH_SECONDS:
                self._last = await run_in_threadpool(self._look)
                self._looked = self._clock()
        return answer(self._last, 503 if self._last.status == "not-ready" else 200)

    async def metrics(self, request: Request) -> Response:
        """Every metric of this process."""
        way_in = self._way_in
        way_in.devices.measure()
        age_limit = timedelta(hours=way_in.settings.gateway.spool_age_hours)
        await run_in_threadpool(way_in.spool.measure, age_limit)
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        text = await run_in_threadpool(encode, REGISTRY)
        return Response(text, headers={"content-type": content_type})

    def _look(self) -> Readiness:
        """Kafka away is no reason to turn anybody away: the spool takes everything for a day."""
        spool, kafka = self._spool(), self._kafka()
        status: Literal["ready", "degraded", "not-ready"] = "ready" if kafka.ok else "degraded"
        return Readiness(status if spool.ok else "not-ready", spool, kafka)

    def _spool(self) -> Check:
        try:
            has_room = self._way_in.spool.probe().result(ANSWER_SECONDS)
        except TimeoutError:
            return Check(ok=False, reason="the disk does not keep up")
        except SpoolError as error:
            return Check(ok=False, reason=str(error))
        return Check(ok=has_room, reason="" if has_room else "the spool is full")

    def _kafka(self) -> Check:
        kafka = self._way_in.settings.kafka
        troubles = [trouble(kafka, server) for server in kafka.bootstrap_servers.split(",")]
        return Check(ok=not all(troubles), reason="; ".join(filter(None, troubles)))


def routes(way_in: WayIn) -> list[BaseRoute]:
    """Its routes."""
    health = Health(way_in)
    return [
        Guarded(way_in, "/healthz", health.healthz, auth=Auth.PUBLIC, rate=Rate.NONE),
        Guarded(way_in, "/readyz", health.readyz, auth=Auth.PUBLIC, rate=Rate.NONE),
        Guarded(way_in, "/metrics", health.metrics, auth=Auth.OPERATOR, rate=Rate.NONE),
    ]
