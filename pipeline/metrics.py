"""Every metric, declared once: those that the worker counts itself, and those that the exporter computes at the scrape.

Label values come from bounded sets; no identity, no case number, ever.
"""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import Counter, Gauge, Histogram, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from pipeline.runtime.hosts import WRONG, Hosts

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

FOLD_SECONDS = Histogram(
    "hcp_worker_fold_seconds",
    "Seconds from a decoded batch to its committed transaction, retries left out.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
BATCH_RECORDS = Histogram(
    "hcp_worker_batch_records",
    "Records folded in one transaction.",
    buckets=(1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000, 20_000),
)
LAST_FOLD = Gauge("hcp_worker_last_fold_timestamp_seconds", "When the last batch was committed, Unix time.")
RETRIES = Counter(
    "hcp_worker_fold_retries_total", "Batches tried again, by SQLSTATE or exception.", ["cause"]
)
SEEKS = Counter("hcp_worker_gap_seeks_total", "Partitions read again because a batch was lost on the way.")
PORTIONS_DROPPED = Counter(
    "hcp_worker_portions_dropped_total",
    "Portions not folded: behind a gap, or of a topic made anew. Read again later.",
)

GATEWAY_REQUESTS = Counter(
    "hcp_gateway_requests_total", "Requests answered, by route as declared and status.", ["route", "status"]
)
GATEWAY_REFUSED = Counter(
    "hcp_gateway_refused_total",
    "Refusals by problem, and for an event that breaks the contract by its reason.",
    ["problem"],
)
GATEWAY_ACCEPT_SECONDS = Histogram(
    "hcp_gateway_accept_seconds",
    "Seconds from an event that was read to its place on disk.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
SMS_WAITING = Gauge(
    "hcp_gateway_sms_waiting", "Invitations by text message that the webhook has not taken yet."
)
SMS_REFUSED = Gauge(
    "hcp_gateway_sms_refused", "Those that it refused, and that are tried no more: see hcp sms status."
)
DEVICES_KNOWN = Gauge("hcp_gateway_devices", "Devices that the gateway knows, revoked ones too.")
DEVICES_READ = Gauge(
    "hcp_gateway_devices_read_timestamp_seconds",
    "When the gateway last read the devices from the ledger, Unix time.",
)

SPOOL_PENDING = Gauge(
    "hcp_spool_pending_rows", "Rows of the gateway's spool that wait to be sent to the log."
)
SPOOL_OLDEST = Gauge("hcp_spool_oldest_seconds", "Age of the oldest of them; 0 if none waits.")
SPOOL_AGE_LIMIT = Gauge("hcp_spool_age_limit_seconds", "How old it may get, by the settings.")
SPOOL_WAITING_BYTES = Gauge("hcp_spool_waiting_bytes", "Bytes of them, about.")
SPOOL_USED_BYTES = Gauge(
    "hcp_spool_used_bytes", "Bytes in use, with what was sent and makes way when room is needed."
)
SPOOL_MAX_BYTES = Gauge("hcp_spool_max_bytes", "The bound, or the disk's size if that is less.")
SPOOL_APPENDED = Counter("hcp_spool_appended_total", "Rows that were put on disk.")
SPOOL_SENT = Counter("hcp_spool_sent_total", "Rows that the log has acknowledged.")
SPOOL_TURNED_AWAY = Counter("hcp_spool_turned_away_total", "Rows for which there was no room: answered 503.")
SPOOL_REFUSED = Gauge(
    "hcp_spool_refused_rows", "Rows that the log does not take: set aside, see hcp spool refused."
)
SPOOL_DAMAGED = Gauge(
    "hcp_spool_damaged_files", "Files of a damaged spool that lie aside, for a person to look at."
)


class Computed(NamedTuple):
    """A metric that the exporter computes from what `hcp status` knows. A ratio is 0 to 1, absent while nothing counts."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: Literal["gauge", "counter"] = "gauge"


LOG_UP = Computed("hcp_log_up", "1 if Kafka answers.")
LEDGER_UP = Computed("hcp_ledger_up", "1 if the database answers.")
ERRORS = Computed("hcp_status_errors", "What hcp status tells a person to look at now.")
LOG_START = Computed("hcp_log_start_offset", "First offset that the log still has.", ("topic", "partition"))
LOG_END = Computed("hcp_log_end_offset", "Last stable offset of the log.", ("topic", "partition"))
POSITION = Computed("hcp_ledger_position", "Everything before it is in the ledger.", ("topic", "partition"))
LAG = Computed(
    "hcp_ledger_lag_records", "Records of the log that the ledger has not.", ("topic", "partition")
)
RECORDS = Computed("hcp_records_total", "Records read, by what became of them.", ("topic", "fate"), "counter")
DEAD_LETTERS = Computed("hcp_dead_letters_total", "Records that could not be read.", ("reason",), "counter")
DEAD_LETTERS_OPEN = Computed(
    "hcp_dead_letters_open", "Dead letters with which nobody has done anything yet, see hcp dlq list."
)
GAPS = Computed("hcp_log_gaps", "Stretches of the log that retention deleted before they were read: losses.")
REPAIRS = Computed("hcp_repairs_total", "Matches that the sweep found missing: stays 0.", (), "counter")
OUTBOX = Computed("hcp_outbox_unsent", "Rows that the relay has still to send.")
OUTBOX_AGE = Computed("hcp_outbox_oldest_seconds", "Age of the oldest of them.")
SHARED_NUMBERS = Computed(
    "hcp_shared_numbers", "Services with 20 reviews and versions or more: one case number for many people."
)
OUTBOX_SET_ASIDE = Computed(
    "hcp_outbox_set_aside", "Rows that Kafka refuses and the relay has set aside, see hcp outbox list."
)
REVIEWS = Computed("hcp_reviews", "Effective first reviews by outcome.", ("outcome",))
SERVICES = Computed("hcp_services", "Services by whether they were reviewed.", ("handling_mode", "state"))
REVIEW_RATE = Computed(
    "hcp_review_rate", "评价率: reviewed / (reviewed + unreviewed) services.", ("handling_mode",)
)
REVIEW_RATE_TARGET = Computed("hcp_review_rate_target", "What the county's plan demands (D5).")
QUALITY = Computed("hcp_quality_ratio", "Active, good, bad reviews; records collected in time.", ("rate",))
INSPECTION = Computed(
    "hcp_inspection_failed_records", "Case records that fail this rule (办件质检).", ("rule",)
)
COVERAGE = Computed(
    "hcp_coverage_ratio",
    "Share of the catalogue with a case or an active review, of the registered windows and their channels that are heard.",
    ("of",),
)
CHANNELS = Computed("hcp_channel_reviews", "Reviews of the last 7 days by channel.", ("channel",))
DEVICES = Computed("hcp_devices", "Devices by what they ask of a person, see the desk's page.", ("need",))
DEVICE_FAULTS = Computed(
    "hcp_device_chain_faults",
    "Numbers missing, numbers used twice, events that do not name the one before: of all devices that are not revoked.",
    ("kind",),
)
"""Without the devices' ids: a foreign sender's is any text. The desk's page /devices names them."""
TICKETS = Computed("hcp_tickets", "差评工单 by state.", ("state",))
TICKETS_OVERDUE = Computed("hcp_tickets_overdue", "Open tickets past their due time.")
BEAT = Computed(
    "hcp_component_beat_timestamp_seconds", "When it last said that it lives, Unix time.", ("component",)
)
BLOCKED = Computed("hcp_component_blocked", "1 if it waits for a person, see hcp status.", ("component",))
STARTS = Computed(
    "hcp_component_starts_total", "How often its process was started.", ("component",), "counter"
)
PARTITION_BLOCKED = Computed(
    "hcp_partition_blocked", "1 while its next batch fails of itself: see hcp status.", ("topic", "partition")
)
STANDING_STILL = Computed(
    "hcp_positions_standing_still", "Partitions whose position does not move although the log has more."
)
WORKERS = Computed("hcp_workers_running", "Workers that beat within the last 30 seconds.")
COMPUTED = tuple(value for value in list(globals().values()) if isinstance(value, Computed))


def serve(port: int, hosts: Hosts) -> None:
    """Serve this process's metrics on loopback, to who calls it by one of these names; port 0: do not. Starts a thread."""
    if not port:
        return
    server = make_server("127.0.0.1", port, _to_known(hosts), ThreadingWSGIServer, handler_class=_WithoutLog)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


class _WithoutLog(WSGIRequestHandler):
    timeout = 10
    """Seconds for a request: each connection has a thread."""

    def log_message(self, *_: object) -> None:
        """Requests are not logged."""


def _to_known(hosts: Hosts) -> "WSGIApplication":
    metrics = make_wsgi_app()

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if hosts.has(environ.get("HTTP_HOST", "")):
            answer: Iterable[bytes] = metrics(environ, start_response)
            return answer
        start_response("421 Misdirected Request", [("Content-Type", "text/plain")])
        return [WRONG.encode()]

    return app
