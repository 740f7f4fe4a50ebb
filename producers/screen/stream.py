"""The stream in which a terminal hears of itself and of those who are called: server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from producers.devices.device import Device
from producers.screen.invitations import Call, Invitations

HEARTBEAT_SECONDS = 15.0
"""A terminal that hears nothing for 40 s looks for another connection."""
LIFE_SECONDS = 600.0
"""A stream ends after so long and is asked for again, signed again."""

_encode = msgspec.json.Encoder().encode


async def heard(
    device: Device, window: str, invitations: Invitations, may_listen: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Who the terminal is, then each call as it comes: for LIFE_SECONDS, until the gateway ends, or until it may not any more."""
    end, invitations.loop = time.monotonic() + LIFE_SECONDS, asyncio.get_running_loop()
    with invitations.listening(window, device.hall_code) as mailbox:
        yield _event("terminal", _profile(device))
        while time.monotonic() < end and not (invitations.ended and mailbox.is_empty):
            call = await mailbox.take(HEARTBEAT_SECONDS)
            if not may_listen():
                return
            yield _event("invitation", _called(call)) if call else b": \n\n"


def _profile(device: Device) -> dict[str, str]:
    return {"name": device.name, "channel": device.channels[0], "hall_code": device.hall_code}


def _called(call: Call) -> dict[str, Any]:
    return {"call_id": call.call_id, **msgspec.to_builtins(call.invitation)}


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(data))
