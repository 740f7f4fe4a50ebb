"""A system of the county calls the gateway."""

import json
from typing import Any

import httpx

from pipeline.signing import sign
from producers.devices.managing import NewKey, decode


def call(gateway: str, key: NewKey, path: str, **said: Any) -> httpx.Response:
    """A signed POST of these fields."""
    body = json.dumps(said).encode()
    signed = sign(key.device_id, key.key_id, decode(key.secret), "POST", path, body, {})
    return httpx.post(gateway + path, content=body, headers=signed, timeout=20)
