"""Every metric that a process of ours counts itself, declared once. What `hcp status` knows, the exporter computes.

Label values come from bounded sets; no identity, no case number, ever.
"""

from prometheus_client import Counter, Gauge, Histogram, start_http_server

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


def serve(port: int) -> None:
    """Serve this process's metrics on loopback; 0: do not. Starts a thread."""
    if port:
        start_http_server(port, addr="127.0.0.1")
