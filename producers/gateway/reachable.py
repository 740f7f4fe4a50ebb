"""Whether Kafka answers: a port on which something listens is not enough."""

import socket

from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

from pipeline.log import client_options
from pipeline.settings import Kafka

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 1.0
_FIRST = "bootstrap-0"
"""What the client calls the first server that it is told of, before a server has told it another name."""


def trouble(kafka: Kafka, server: str) -> str:
    """Why this broker is no help, in words; empty if it answers. Blocks, for two seconds at most."""
    try:
        _connect(server)
        _ask(kafka, server)
    except (OSError, ValueError, KafkaError) as error:
        return _why(error)
    return ""


def _connect(server: str) -> None:
    """The client leaves the socket of a refused connection to the garbage collector: so look first."""
    host, _, port = server.strip().rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()


def _ask(kafka: Kafka, server: str) -> None:
    """Connect as a client of ours does: encrypted and by password, if so it is set, then which versions it speaks."""
    client = KafkaNetClient(**client_options(kafka) | {"bootstrap_servers": [server.strip()]})
    try:
        client.await_ready(_FIRST, timeout_ms=1000 * ANSWER_SECONDS)
    finally:
        client.close()


def _why(error: Exception) -> str:
    match error:
        case ConnectionRefusedError():
            return "nobody listens there"
        case socket.gaierror():
            return "its name is not known"
        case ValueError():
            return "it names no port"
        case KafkaError():
            return "something listens, but does not answer as Kafka does, or does not let us in"
        case TimeoutError():
            return "it does not answer"
        case _:
            return f"it cannot be reached ({type(error).__name__})"
