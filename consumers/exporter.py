"""The exporter: `/metrics` with everything that `hcp status` knows, computed at the scrape."""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from consumers.heart import Heart
from consumers.status import SILENT, Status
from pipeline import metrics
from pipeline.metrics import Computed
from pipeline.runtime.hosts import Hosts
from pipeline.settings import Settings
from pipeline.web.known_hosts import KnownHosts

FRESH_SECONDS = 5.0
"""Two scrapers at once cost one look."""

Sample = tuple[Computed, tuple[str, ...], float]


class StatusCollector(Collector):
    """What `hcp status` knows, as metrics. Blocks at each scrape."""

    def __init__(self, status: Status, target: float) -> None:
        self._status, self._target = status, target
        self._lock = threading.Lock()
        self._picture: dict[str, Any] = {}
        self._looked = -FRESH_SECONDS

    def collect(self) -> Iterable[Metric]:
        """Every metric of `pipeline.metrics.COMPUTED`, those without samples too."""
        families = {computed.name: _family(computed) for computed in metrics.COMPUTED}
        for computed, labels, value in samples(self._look(), self._target):
            families[computed.name].add_metric(labels, value)
        return families.values()

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not look."""
        return ()

    def _look(self) -> dict[str, Any]:
        with self._lock:
            if time.monotonic() - self._looked > FRESH_SECONDS:
                self._picture = self._status.collect()
                self._looked = time.monotonic()
            return self._picture


def _family(computed: Computed) -> GaugeMetricFamily | CounterMetricFamily:
    kind = GaugeMetricFamily if computed.kind == "gauge" else CounterMetricFamily
    return kind(computed.name, computed.help, labels=computed.labels)


def samples(picture: Mapping[str, Any], target: float) -> Iterator[Sample]:
    """The picture's numbers. Pure. What is unknown, because a server is away, is left out."""
    yield metrics.LOG_UP, (), bool(picture["topics"])
    yield metrics.LEDGER_UP, (), "fates" in picture
    yield metrics.ERRORS, (), len(picture["errors"])
    yield metrics.REVIEW_RATE_TARGET, (), target
    for row in picture["topics"]:
        yield from _of_topic(row)
    if "fates" in picture:
        yield from _of_ledger(picture)


def _of_topic(row: Mapping[str, Any]) -> Iterator[Sample]:
    labels = row["topic"], str(row["partition"])
    yield metrics.LOG_START, labels, row["log_start"]
    yield metrics.LOG_END, labels, row["end"]
    if row["lag"] is not None:
        yield metrics.LAG, labels, row["lag"]
    if row["position"] is not None:
        yield metrics.POSITION, labels, row["position"]


def _of_ledger(picture: Mapping[str, Any]) -> Iterator[Sample]:
    for topic, fates in picture["fates"].items():
        yield from _each(metrics.RECORDS, fates, topic)
    yield from _each(metrics.REVIEWS, picture["reviews"])
    yield from _each(metrics.TICKETS, picture["tickets"])
    yield from _each(metrics.DEAD_LETTERS, picture["dead_letters"])
    yield metrics.DEAD_LETTERS_OPEN, (), picture["dead_letters_open"]
    yield from _each(metrics.CHANNELS, picture["channels"])
    yield from _each(metrics.INSPECTION, picture["inspection"])
    yield from _each(metrics.DEVICES, picture["devices"])
    yield from _each(metrics.DEVICE_FAULTS, picture["device_faults"])
    for mode, rate in picture["rates"].items():
        reviewed = {
            "reviewed": rate["part"],
            "unreviewed": rate["whole"] - rate["part"],
            "pending": rate["pending"],
        }
        yield from _each(metrics.SERVICES, reviewed, mode)
    yield from _ratios(metrics.REVIEW_RATE, picture["rates"])
    yield from _ratios(metrics.QUALITY, picture["quality"])
    yield from _ratios(metrics.COVERAGE, picture["coverage"])
    yield metrics.TICKETS_OVERDUE, (), picture["tickets_overdue"]
    yield metrics.GAPS, (), picture["gaps"]
    yield metrics.REPAIRS, (), picture["repairs"]
    yield metrics.OUTBOX, (), picture["outbox"]["unsent"]
    yield metrics.OUTBOX_AGE, (), picture["outbox"]["oldest_seconds"]
    yield metrics.STANDING_STILL, (), len(picture["standing_still"])
    for row in picture["topics"]:
        yield metrics.PARTITION_BLOCKED, (row["topic"], str(row["partition"])), _is_blocked(row, picture)
    yield metrics.SHARED_NUMBERS, (), picture["shared_numbers"]["keys"]
    yield metrics.OUTBOX_SET_ASIDE, (), picture["outbox"]["set_aside"]
    yield from _of_components(picture["components"], datetime.fromisoformat(picture["asked_at"]))


def _is_blocked(at: Mapping[str, Any], picture: Mapping[str, Any]) -> bool:
    return any(
        one["blocked"] and (one["topic"], one["partition"]) == (at["topic"], at["partition"])
        for one in picture["standing_still"]
    )


def _of_components(components: list[Mapping[str, Any]], asked_at: datetime) -> Iterator[Sample]:
    workers = 0
    for row in components:
        at = datetime.fromisoformat(row["at"])
        yield metrics.BEAT, (row["name"],), at.timestamp()
        yield metrics.BLOCKED, (row["name"],), row["state"] == "blocked"
        yield metrics.STARTS, (row["name"],), row["starts"]
        alive = row["state"] != "stopped" and asked_at - at < SILENT
        workers += row["name"].startswith("worker-") and alive
    yield metrics.WORKERS, (), workers


def _each(computed: Computed, found: Mapping[str, int], *labels: str) -> Iterator[Sample]:
    for name, value in found.items():
        yield computed, (*labels, name), value


def _ratios(computed: Computed, rates: Mapping[str, Mapping[str, Any]]) -> Iterator[Sample]:
    for name, rate in rates.items():
        if rate["rate"] is not None:
            yield computed, (name,), rate["rate"]


def create(settings: Settings) -> Starlette:
    """The exporter as an application: `/metrics`, `/healthz`."""
    registry, status = CollectorRegistry(), Status(settings)
    registry.register(StatusCollector(status, settings.rules.review_rate_target))

    def scrape(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    routes = [Route("/metrics", scrape), Route("/healthz", health)]
    hosts = Middleware(KnownHosts, hosts=Hosts(settings.web.host_names))
    return Starlette(routes=routes, middleware=[hosts], lifespan=Heart(settings, "exporter").lifespan)
