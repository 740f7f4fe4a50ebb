"""The county's gateway, which listens, and knows the device as which the desk sends calls to 12345."""

import secrets
import threading
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import SecretStr

from pipeline.settings import Settings
from producers.devices.device import Device
from producers.devices.managing import encode
from tests.producers.gateway.house import House, key, settings_in
from tests.wait import wait_for

HOTLINE = "hotline-12345"
SECRET = secrets.token_bytes(32)


class CountyGateway:
    """Without Kafka: what it takes stays in its spool."""

    def __init__(self, folder: Path, channels: tuple[str, ...] = ("hotline",), dept_code: str = "") -> None:
        settings = settings_in(folder)
        keys = (key(settings, HOTLINE, SECRET),)
        known = Device(HOTLINE, "system", channels=channels, dept_code=dept_code, keys=keys)
        self.house = House(settings, [known])
        config = uvicorn.Config(
            self.house.app, port=0, log_level="critical", ws="none", lifespan="off", access_log=False
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        wait_for(lambda: self._server.started, 20, "the gateway")
        self.port: int = self._server.servers[0].sockets[0].getsockname()[1]

    def close(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(20)
        self.house.close()

    def known_to(self, desk: Settings) -> None:
        """The desk's settings name it, and as whom to send."""
        desk.gateway.port = self.port
        desk.web.hotline_device, desk.web.hotline_key = HOTLINE, "k1"
        desk.web.hotline_secret = SecretStr(encode(SECRET))

    def taken(self) -> list[dict[str, Any]]:
        """The events on its disk."""
        return self.house.values()
