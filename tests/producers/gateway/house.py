"""A gateway in this process, without servers: its devices lie in the copy that it starts with."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from pipeline.edge import HEADER, Edge, Vouched
from pipeline.sealing import Sealer
from pipeline.settings import Settings
from pipeline.signing import sign
from producers import state
from producers.devices.device import Device, Key
from producers.devices.registry import FILE, Copy
from producers.gateway.app import create
from producers.gateway.way_in import WayIn
from producers.spool.record import Row
from schemas.events import CE_TYPE_PREFIX
from schemas.topics import Stream
from tests.conftest import SEAL_KEY
from tests.consumers.client import Client

REVIEW, CASE = CE_TYPE_PREFIX + "review.v1", CE_TYPE_PREFIX + "case.v1"
TERMINAL, SYSTEM = "terminal-1", "system-1"
SECRETS = {TERMINAL: secrets.token_bytes(32), SYSTEM: secrets.token_bytes(32)}

UNLIMITED = {
    "address_per_minute": 10**9,
    "device_per_minute": 10**9,
    "token_per_minute": 10**9,
    "token_total_per_minute": 10**9,
    "spool_bytes": 2**30,
}
"""Settings of a gateway that many callers from one address may come to."""


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


def settings_in(folder: Path, **gateway: Any) -> Settings:
    """Settings of a gateway whose database and Kafka are nowhere."""
    return Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": "127.0.0.1:9", "topic_prefix": "none."},
            "database": {"url": "postgresql://hcp:x@127.0.0.1:9/none"},
            "seal": {"current": "test", "keys": {"test": SEAL_KEY}, "months": folder / "months"},
            "gateway": {"port": 0, "spool_dir": folder / "spool", "spool_bytes": 64 * 2**20} | gateway,
        }
    )


def key(settings: Settings, device_id: str, secret: bytes, key_id: str = "k1", **more: Any) -> Key:
    """A key as the registry has it."""
    return Key(key_id, Sealer(settings.seal).seal(secret, device_id, key_id), **more)


def devices(settings: Settings) -> list[Device]:
    """A terminal at a window, and a department's system."""
    keys = {name: (key(settings, name, secret),) for name, secret in SECRETS.items()}
    return [
        Device(
            TERMINAL,
            "terminal",
            channels=("terminal",),
            dept_code="D1",
            hall_code="H1",
            window_code="W1",
            keys=keys[TERMINAL],
        ),
        Device(SYSTEM, "system", keys=keys[SYSTEM]),
    ]


def vouched(settings: Settings, row: Row) -> Vouched | None:
    """What the edge's signature of a row of the spool says, as the fold reads it."""
    record = row.record
    topic = settings.kafka.topic(Stream(record.stream))
    return Edge(settings.seal).verify(dict(record.headers)[HEADER], topic, record.event_id, record.value)


class House:
    """A gateway and its callers."""

    def __init__(
        self, settings: Settings, known: list[Device] | None = None, clock: Clock | None = None
    ) -> None:
        self.settings, self.clock = settings, clock or Clock()
        folder = settings.gateway.spool_dir
        folder.mkdir(parents=True, exist_ok=True)
        state.write(
            folder / FILE, Copy(self.clock(), devices(settings) if known is None else known, dated=True)
        )
        self.app: Starlette = create(settings, self.clock)
        self.client = Client(self.app)

    @property
    def way_in(self) -> WayIn:
        way_in: WayIn = self.app.state.way_in
        return way_in

    def rows(self) -> list[Row]:
        """Everything that waits in the spool."""
        return self.way_in.spool.pending(2**31, 2**31)

    def values(self) -> list[dict[str, Any]]:
        """The events that wait in the spool."""
        return [json.loads(row.record.value) for row in self.rows()]

    def signed(
        self, body: bytes, path: str = "/v1/events", device: str = TERMINAL, **more: Any
    ) -> dict[str, str]:
        """The headers of a signed request: `headers`, and those of the signature."""
        options = {"key_id": "k1", "secret": SECRETS.get(device, b""), "method": "POST", "headers": {}} | more
        at = options.pop("at", int(self.clock().timestamp()))
        return sign(device, path=path, body=body, at=at, **options)

    def send(self, event: dict[str, Any], device: str = TERMINAL, **more: Any) -> httpx.Response:
        """One event in binary form, signed."""
        body = json.dumps(event).encode()
        own = more.pop("headers", {})
        headers = self.signed(body, device=device, headers=ce_headers(event) | own) | own
        return self.client.post("/v1/events", content=body, headers=headers, **more)

    def close(self) -> None:
        self.way_in.devices.stop()
        self.way_in.ledger.stop()
        self.way_in.spool.close()


@contextmanager
def house(folder: Path, **gateway: Any) -> Iterator[House]:
    """A gateway for a while."""
    made = House(settings_in(folder, **gateway))
    try:
        yield made
    finally:
        made.close()


def ce_headers(event: dict[str, Any]) -> dict[str, str]:
    """The attributes of an event in binary form."""
    return {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": event["event_id"],
        "ce-source": "/test",
        "ce-type": REVIEW if "satisfaction" in event else CASE,
    }


def envelope(event: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An event in structured form."""
    kind = REVIEW if "satisfaction" in event else CASE
    told = {"specversion": "1.0", "id": event["event_id"], "source": "/test", "type": kind, "data": event}
    return told | more
