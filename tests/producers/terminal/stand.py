"""A gateway that listens, for a terminal's page: it can be away for a while and come back at the same address."""

import socket
import threading
from pathlib import Path

import uvicorn

from pipeline.settings import Settings
from producers.devices.device import Device
from producers.devices.managing import encode
from tests.producers.gateway.house import SECRETS, SYSTEM, TERMINAL, House, key, settings_in
from tests.wait import wait_for

WINDOW = "W1"


class Stand:
    """One window's terminal, its system, and the gateway between."""

    def __init__(self, folder: Path) -> None:
        self.settings = settings_in(folder)
        self.port = _free_port()
        self.house: House | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/terminal/{WINDOW}"

    @property
    def link(self) -> str:
        """What the tablet is enrolled with."""
        return f"{self.address}#device={TERMINAL}&key=k1&secret={encode(SECRETS[TERMINAL])}"

    def open(self) -> House:
        """The gateway is there."""
        self.house = House(self.settings, _devices(self.settings))
        config = uvicorn.Config(
            self.house.app, port=self.port, log_level="error", ws="none", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        wait_for(lambda: self._server.started, 20, "the gateway")
        return self.house

    def close(self) -> None:
        """The gateway is gone; what it has taken stays in its spool."""
        if self.house:
            self._server.should_exit = True
            self._server.force_exit = True
            self._thread.join(20)
            self.house = None


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
