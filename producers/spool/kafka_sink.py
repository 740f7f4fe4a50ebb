"""Into Kafka: the gateway's spool."""

import socket
from collections.abc import Sequence
from datetime import datetime

import msgspec
from kafka.errors import KafkaError

from pipeline.edge import HEADER, Edge
from pipeline.log import NEVER_TAKEN, TOO_LARGE
from pipeline.settings import Kafka
from producers.errors import NotPublishedError, TooLargeError
from producers.publish import Publisher
from producers.spool.record import Headers, Row
from producers.spool.sink import Refused, Unsent
from schemas.topics import Stream

CONNECT_SECONDS = 3.0


class KafkaSink:
    """Connects when there is something to send, and anew after each failure: Kafka may be away for hours."""

    most_rows = 1_000
    most_bytes = 4 * 2**20

    def __init__(self, kafka: Kafka, edge: Edge) -> None:
        self._kafka, self._edge = kafka, edge
        self._publisher: Publisher | None = None

    def send(self, rows: Sequence[Row]) -> None:
        """Send them; every replica has them when it returns. Blocks. Raises Unsent, Refused."""
        try:
            refused = self._publish(rows)
        except (NotPublishedError, KafkaError) as error:
            self.close()
            if not isinstance(error.__cause__, NEVER_TAKEN):
                raise Unsent(_why(error)) from error
            refused = self._each_alone(rows)
        if refused:
            raise Refused(refused)

    def close(self) -> None:
        """Close the producer; what it has not sent by then is given up."""
        if self._publisher is not None:
            self._publisher.give_up()
            self._publisher = None

    def _connect(self) -> Publisher:
        """A producer that finds nobody waits for half a minute, and leaves its sockets to the garbage collector: so look first."""
        if not any(_listens(server) for server in self._kafka.bootstrap_servers.split(",")):
            raise Unsent("Kafka: nobody listens")
        return Publisher(self._kafka, self._edge)

    def _publish(self, rows: Sequence[Row]) -> dict[int, str]:
        """Send all; returns those that no topic takes."""
        self._publisher = self._publisher or self._connect()
        refused = {}
        for row in rows:
            seq, record, _ = row
            stream, name = Stream(record.stream), record.event_id
            try:
                self._publisher.send_raw(stream, record.key, record.value, self._headers(row), name)
            except TooLargeError:
                refused[seq] = "too_large"
        self._publisher.flush()
        return refused

    def _headers(self, row: Row) -> Headers:
        """As they were signed; rows that a gateway before the signature took in are signed as it would have done."""
        record = row.record
        named = dict(record.headers)
        if HEADER in named:
            return record.headers
        topic, sender = self._kafka.topic(Stream(record.stream)), named.get("ce_source", b"").decode()
        at = _said(record.value) or row.received_at
        return [*record.headers, self._edge.sign(topic, record.event_id, at, sender, record.value)]

    def _each_alone(self, rows: Sequence[Row]) -> dict[int, str]:
        """Find out which of them the topic does not take; those that were acknowledged before go once more.

        After a refusal the producer takes nothing more, so each goes on with a new one.
        """
        refused: dict[int, str] = {}
        for row in rows:
            try:
                refused |= self._publish([row])
            except (NotPublishedError, KafkaError) as error:
                self.close()
                if not isinstance(error.__cause__, NEVER_TAKEN):
                    raise Unsent(_why(error)) from error
                refused[row.seq] = "too_large" if isinstance(error.__cause__, TOO_LARGE) else "invalid"
        return refused


class _Body(msgspec.Struct):
    received_at: datetime | None = None


def _said(value: bytes) -> datetime | None:
    """When it was received, as the gateway wrote into the body."""
    try:
        return msgspec.json.decode(value, type=_Body).received_at
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _listens(server: str) -> bool:
    host, _, port = server.strip().rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def _why(error: Exception) -> str:
    return f"Kafka: {type(error.__cause__ or error).__name__}"
