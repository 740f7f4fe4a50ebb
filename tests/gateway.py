"""A gateway as a process of its own, which can be killed and started again, at an address that stays; and who sends to it."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from deploy.embedded import ports
from pipeline.settings import Settings, environment
from pipeline.signing import sign
from producers.devices.managing import NewKey, decode
from tests.producers.gateway.house import ce_headers
from tests.wait import wait_for

RUN_GATEWAY = "from pipeline.settings import load; from producers.gateway.serving import serve; serve(load())"


class GatewayProcess:
    """`settings` get a port of its own, a spool in `folder`, and trust in who calls from here, as behind the county's proxy.

    `code` runs in it first (a broken twin).
    """

    def __init__(self, settings: Settings, folder: Path, code: str = "") -> None:
        own = {"port": ports.claim(0, "the gateway", ""), "spool_dir": folder / "spool"}
        settings.gateway = settings.gateway.model_copy(update=own | {"trusted_proxies": ["127.0.0.1"]})
        self._settings, self._folder = settings, folder
        self._script = textwrap.dedent(code) + "\n" + RUN_GATEWAY
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self._settings.gateway.url

    @property
    def pid(self) -> int:
        """Of its process, once it was started."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Blocks until it answers."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
        with (self._folder / "gateway.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", self._script],
                stdout=log,
                stderr=log,
                env=env | environment(self._settings),
                cwd=self._folder,
            )
        wait_for(self._answers, 60, "the gateway to answer")

    def kill(self) -> None:
        """As the power does. Blocks until it is gone."""
        if self._process:
            self._process.kill()
            self._process.wait(20)

    def tell_to_stop(self) -> None:
        """In peace. Does not wait."""
        if self._process:
            self._process.terminate()

    def stop(self) -> None:
        """The same. Blocks until it is gone."""
        self.tell_to_stop()
        if self._process:
            self._process.wait(20)

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise AssertionError((self._folder / "gateway.log").read_text()[-2000:])
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


class Sender:
    """A device that sends over HTTP, a connection for each request; or through `post`, which may keep one."""

    def __init__(self, url: str, key: NewKey, post: Callable[..., httpx.Response] = httpx.post) -> None:
        self.url, self._key, self._post = url, key, post

    def send(self, event: dict[str, Any]) -> httpx.Response:
        """Sign and send one. Blocks. Raises httpx.HTTPError: nobody knows whether it was taken."""
        body = json.dumps(event).encode()
        key = self._key
        signed = sign(
            *(key.device_id, key.key_id, decode(key.secret)), "POST", "/v1/events", body, ce_headers(event)
        )
        return self._post(f"{self.url}/v1/events", content=body, headers=signed, timeout=20)
