"""What Prometheus would have scraped: every series that the exporter and a worker tell of a made-up county."""

from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client.metrics import MetricWrapperBase

from consumers.exporter import samples
from consumers.status import Status
from pipeline import metrics
from pipeline.ledger.device_list import FAULTS, Need
from pipeline.ledger.figures import Figures, _reviews
from pipeline.ledger.rate import Rate
from pipeline.ledger.shared_numbers import SharedNumber
from pipeline.log import Watermark
from pipeline.metrics import COMPUTED
from pipeline.rules.inspection import rules
from pipeline.rules.measures import MEASURES
from pipeline.rules.records import Fate
from pipeline.settings import Settings
from schemas.codes import Channel, HandlingMode
from schemas.events import REASONS
from schemas.tickets import State

NOW = datetime(2026, 11, 23, 7, 20, tzinfo=UTC)
SUMS = dict.fromkeys(MEASURES, 1)
SERVICES = {"reviewed": 9, "unreviewed": 1, "pending": 1}
OUTCOMES = tuple(_reviews(SUMS, []))
COVERAGE = (
    *("items_reviewed", "items_wired", "departments_reviewed", "departments_wired"),
    *("windows_reviewed", "channels_delivering"),
)
NEEDS = tuple(need.label for need in Need)
COMPONENT = {
    "name": "worker-0",
    "state": "running",
    "at": NOW,
    "error": "",
    "error_at": None,
    "starts": 1,
    "started": [NOW],
}
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
WORKERS_OWN = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]


class County(Status):
    """A look at a county where there is one of everything."""

    def __init__(self) -> None:
        super().__init__(Settings.model_validate({"database": {"url": "postgresql://hcp@127.0.0.1/hcp"}}))

    def figures(self) -> Figures:
        return Figures(
            asked_at=NOW,
            positions=[{"topic": "hcp.case.v1", "partition": 0, "next_offset": 9, "moved_at": NOW}],
            fates={"hcp.case.v1": {fate.value: 1 for fate in Fate}},
            reviews=_reviews(SUMS, []),
            services={mode.value: SERVICES for mode in HandlingMode},
            sums=SUMS,
            tickets={state.value: 1 for state in State},
            tickets_overdue=1,
            dead_letters=dict.fromkeys(REASONS, 1),
            dead_letters_open=1,
            gaps=[],
            blocked=[{"topic": "hcp.case.v1", "partition": 0, "offset": 9, "error": "odd"}],
            repairs=0,
            outbox_unsent=0,
            outbox_oldest_seconds=0,
            outbox_set_aside=1,
            components=[COMPONENT],
            shared_numbers=1,
            most_shared=[SharedNumber("000000", 1, 20, 1, ("w1",))],
            coverage=dict.fromkeys(COVERAGE, Rate(1, 2)),
            channels={channel.value: 1 for channel in Channel},
            devices=dict.fromkeys(NEEDS, 1),
            device_faults=dict.fromkeys(FAULTS, 1),
            inspection=dict.fromkeys(rules(), 1),
        )

    def _read_log(self) -> tuple[list[Watermark], list[str]]:
        return [Watermark("hcp.case.v1", 0, "id", 0, 10)], []


def exporter_series() -> list[str]:
    """In PromQL's notation."""
    return [
        _series(computed.name, dict(zip(computed.labels, labels, strict=True)))
        for computed, labels, _ in samples(County().collect(), 0.95)
    ]


def worker_series() -> Iterator[str]:
    """One of each that a worker with a metrics port serves."""
    for metric in WORKERS_OWN:
        labels = dict.fromkeys(metric._labelnames, "x")
        for suffix in SUFFIXES[str(metric._type)]:
            yield _series(metric._name + suffix, labels | ({"le": "+Inf"} if suffix == "_bucket" else {}))


def names() -> set[str]:
    """Every name that pipeline/metrics.py declares, as Prometheus sees it, and its own `up`."""
    return {"up"} | {computed.name for computed in COMPUTED} | {one.split("{")[0] for one in worker_series()}


def _series(name: str, labels: dict[str, str]) -> str:
    matchers = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{matchers}}}"
