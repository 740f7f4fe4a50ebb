"""Who signed a request: a device of the registry, with a key of its own that still holds, now."""

from collections.abc import Mapping

from starlette.types import Scope

from pipeline.signing import Signed
from producers.devices.device import Device
from producers.devices.registry import Registry
from producers.gateway.errors import Unauthorized


def device_of(
    devices: Registry,
    skew: int,
    headers: Mapping[str, str],
    method: str,
    target: str,
    body: bytes,
    at: float,
) -> tuple[Device, str]:
    """The device that signed this, and the nonce under which it may be taken once. `at`: Unix seconds, `skew`: seconds.

    Raises NotSigned, Unauthorized. An unknown device, an unknown key and a wrong signature are told alike; whoever has the
    secret is told more.
    """
    signed = Signed.of(headers)
    sender = devices.find(signed.device_id)
    secret = sender.secrets.get(signed.key_id) if sender else None
    if sender is None or secret is None or not signed.is_by(secret, method, target, body):
        raise Unauthorized("signature_wrong", "The signature is not that of a known device over this request")
    device = sender.device
    if device.revoked_at is not None:
        raise Unauthorized("device_revoked", "The device has been revoked")
    key = device.key(signed.key_id)
    if key is None or (key.not_after is not None and at > key.not_after.timestamp()):
        raise Unauthorized("key_expired", "Another key has followed this one")
    if abs(at - signed.at) > skew:
        raise Unauthorized(
            "clock_skew",
            "The request's time is too far from ours",
            f"at most {skew} s; set the clock of the device",
        )
    return device, f"{device.device_id}/{signed.nonce}"


def target_of(scope: Scope) -> str:
    """Path and query as they were sent: what is signed."""
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")
