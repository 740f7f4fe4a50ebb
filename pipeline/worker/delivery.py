"""Rows of the outbox handed to one topic, and what became of each: acknowledged, refused for what it is, or still to send."""

import hashlib
import logging
import time
from collections.abc import Sequence
from typing import Any

from kafka import KafkaProducer
from sqlalchemy import Row

from pipeline.ledger.outbox import headers_from
from pipeline.log import NEVER_TAKEN, TOO_LARGE

log = logging.getLogger(__name__)

Headers = list[tuple[str, bytes]]

TOGETHER_SECONDS = 5.0
ALONE_SECONDS = 2.5
"""How long acknowledgements are waited for: of all rows, then of those that were refused. Both, and the producer's
`max_block_ms`, must stay below the worker's `idle_in_transaction_session_timeout` (10 s): the transaction that marks the
rows is open meanwhile. Rows that were not reached stay unsent for the next delivery."""
OF_THE_ROW = (*NEVER_TAKEN, TypeError, UnicodeError)
"""The same row will be refused again, by Kafka or by the client, which cannot encode it."""


class Delivery:
    """Hands rows to a topic. A row that is neither in `sent` nor in `refused` (id → why) stays unsent.

    `error`: what kept rows from being sent; None if nothing did. `may_leave_out`: what is too large goes without its value.
    """

    def __init__(self, producer: KafkaProducer, topic: str, *, may_leave_out: bool) -> None:
        self._producer, self._topic, self._may_leave_out = producer, topic, may_leave_out
        self._deadline = 0.0
        self.sent: list[int] = []
        self.refused: dict[int, str] = {}
        self.error: Exception | None = None

    def run(self, rows: Sequence[Row[Any]]) -> None:
        """Send all; then each that was refused alone, because a batch may be refused for another row in it.

        Blocks for the two bounds above, and for the producer's `max_block_ms` if the topic vanishes meanwhile. Raises nothing.
        """
        refused = self._together(rows)
        self._deadline = time.monotonic() + ALONE_SECONDS
        try:
            for row in refused:
                self._alone(row)
        except Exception as error:  # noqa: BLE001  whatever it is, the rows stay unsent, and the relay tells it
            self.error = error

    def _together(self, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
        """Those that were refused."""
        self._deadline = time.monotonic() + TOGETHER_SECONDS
        refused, under_way = [], []
        for row in rows:
            try:
                under_way.append((row, self._send(row.key, _headers(row), row.value)))
            except OF_THE_ROW:
                refused.append(row)
            except Exception as error:  # noqa: BLE001  rows that are under way may still be acknowledged
                self.error = error
                break
        for row, future in under_way:
            try:
                self._wait(future)
                self.sent.append(row.id)
            except OF_THE_ROW:
                refused.append(row)
            except Exception as error:  # noqa: BLE001  this row stays unsent, others may be acknowledged
                self.error = error
        return refused

    def _alone(self, row: Row[Any]) -> None:
        headers = _headers(row)
        try:
            self._wait(self._send(row.key, headers, row.value))
            self.sent.append(row.id)
        except TOO_LARGE as error:
            if self._may_leave_out and row.value:
                self._without_value(row, headers)
            else:
                self.refused[row.id] = _why(error, row.key, headers, row.value)
        except OF_THE_ROW as error:
            self.refused[row.id] = _why(error, row.key, headers, row.value)

    def _without_value(self, row: Row[Any], headers: Headers) -> None:
        headers = list((dict(headers) | left_out(row.value)).items())
        try:
            self._wait(self._send(row.key, headers, b""))
            self.sent.append(row.id)
            log.warning("outbox_value_left_out", extra={"row": row.id, "bytes": len(row.value)})
        except OF_THE_ROW as error:
            self.refused[row.id] = _why(error, row.key, headers, b"")

    def _send(self, key: bytes | None, headers: Headers, value: bytes | None) -> Any:
        return self._producer.send(self._topic, key=key, value=value, headers=headers)

    def _wait(self, future: Any) -> None:
        future.get(max(0.0, self._deadline - time.monotonic()))


def left_out(value: bytes) -> dict[str, bytes]:
    """Headers of a dead letter that goes without its value: length and SHA-256 of what is left out, sealed as it is."""
    return {
        "hcp_value_left_out": b"too_large",
        "hcp_length": str(len(value)).encode(),
        "hcp_sha256": hashlib.sha256(value).hexdigest().encode(),
    }


def _headers(row: Row[Any]) -> Headers:
    """Those that have a value: the producer takes no others. The ledger keeps them all."""
    return [(name, value) for name, value in headers_from(row.headers) if value is not None]


def _why(error: Exception, key: bytes | None, headers: Headers, value: bytes | None) -> str:
    """For people: why Kafka does not take the row."""
    if isinstance(error, TOO_LARGE):
        size = sum(len(name) + len(text) for name, text in headers) + len(key or b"") + len(value or b"")
        without = " without its value" if value == b"" else ""
        return f"too large: {size:,} bytes{without}; the topic's max.message.bytes or the producer's 1 MiB is less"
    return f"{type(error).__name__}: {error.args[0] if error.args else ''}"
