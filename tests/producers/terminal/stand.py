"""A gateway that listens, for a terminal: it can be away for a while and come back at the same address."""

import json
import socket
import threading
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import uvicorn

from pipeline.clock import utc_now
from pipeline.sealing import Sealer
from pipeline.settings import Settings
from producers.devices.device import Device
from producers.devices.managing import NewKey
from producers.devices.tickets import Tickets
from producers.screen import enrolling
from producers.terminal.enrolment import link
from schemas.cloudevents import SENT_DIGEST
from tests.producers.gateway.house import SECRETS, SYSTEM, TERMINAL, House, key, settings_in
from tests.wait import wait_for

WINDOW = "W1"


class Stand:
    """One window's terminal, its system, and the gateway between."""

    def __init__(self, folder: Path) -> None:
        self.settings = settings_in(folder)
        self.port = _free_port()
        self._tickets = Tickets(Sealer(self.settings.seal), utc_now)
        self._given: dict[str, bytes] = {}

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def page(self) -> str:
        return f"{self.gateway}/terminal/{WINDOW}"

    @property
    def link(self) -> str:
        """What a terminal is enrolled with."""
        return self.link_of(TERMINAL, SECRETS[TERMINAL])

    def link_of(self, device: str, secret: bytes) -> str:
        """One that gives this secret, whatever the register says."""
        ticket = self._tickets.make(device, "k1")
        self._given[self._tickets.read(ticket).ticket_id] = secret
        return link(self.gateway, WINDOW, NewKey(device, "k1", "", ticket))

    def open(self) -> None:
        """The gateway is there."""
        self.house = House(self.settings, _devices(self.settings))
        self._patch = patch.object(enrolling, "secret_of", lambda _, ticket: self._given[ticket.ticket_id])
        self._patch.start()
        config = uvicorn.Config(
            self.house.app, port=self.port, log_level="critical", ws="none", lifespan="off", access_log=False
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        wait_for(lambda: self._server.started, 20, "the gateway")

    def close(self) -> None:
        """The gateway is gone, with all its streams; what it has taken stays in its spool."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(20)
        self._patch.stop()
        self.house.close()

    def invite(self, window: str = WINDOW, **invitation: Any) -> httpx.Response:
        """The window's system calls."""
        body, path = json.dumps({"case_no": "C1"} | invitation).encode(), f"/v1/terminals/{window}/invite"
        return httpx.post(self.gateway + path, content=body, headers=self.house.signed(body, path, SYSTEM))

    def reviews(self) -> list[dict[str, Any]]:
        """What has arrived, in its order."""
        return self.house.values()


def unbroken(stand: Stand, count: int) -> None:
    """AssertionError unless so many events have arrived, each once, each naming the one before it."""
    rows = stand.house.rows()
    events = [json.loads(row.record.value) for row in rows]
    digests = [dict(row.record.headers)[SENT_DIGEST].decode() for row in rows]
    assert [event["device_seq"] for event in events] == list(range(1, count + 1))
    assert [event.get("device_prev", "") for event in events] == ["", *digests[:-1]]
    assert len({event["event_id"] for event in events}) == count


def _devices(settings: Settings) -> list[Device]:
    keys = {name: (key(settings, name, secret),) for name, secret in SECRETS.items()}
    return [
        Device(TERMINAL, "terminal", "3号窗口", ("hall_tablet",), "D1", "H1", WINDOW, keys=keys[TERMINAL]),
        Device(SYSTEM, "system", "", (), "D1", "H1", keys=keys[SYSTEM]),
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
