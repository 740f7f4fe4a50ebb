"""The examples of the documentation, run as they stand there: a gateway that listens, and the environment that they expect."""

import base64
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.producers.gateway.house import SECRETS, House, house
from tests.serving import served


class Shown:
    """A gateway, its address, and who follows an example."""

    def __init__(self, gateway: House, address: str) -> None:
        self.gateway, self.address = gateway, address

    def run(self, device: str, *command: str, **more: str) -> str:
        """What the command prints, run as this device. AssertionError with its words if it fails."""
        secret = base64.urlsafe_b64encode(SECRETS[device]).decode().rstrip("=")
        named = {"URL": self.address, "DEVICE": device, "DEVICE_KEY": "k1", "DEVICE_SECRET": secret}
        environment = os.environ | {f"HCP_{name}": value for name, value in named.items()} | more
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout


@contextmanager
def shown_in(folder: Path) -> Iterator[Shown]:
    with house(folder) as gateway, served(gateway.app, "off") as address:
        yield Shown(gateway, address)
