"""Who signed a request: a device of the registry, with a key of its own that still holds, now."""

from collections.abc import Collection

from starlette.types import Scope

from pipeline.signing import V1, V2, Signed
from producers.devices.device import Device
from producers.devices.registry import Registry
from producers.gateway.errors import Unauthorized


def device_of(
    devices: Registry,
    skew: int,
    headers: Collection[tuple[str, str]],
    method: str,
    target: str,
    body: bytes,
    at: float,
) -> tuple[Device, str]:
    """The device that signed this, and the nonce under which it may be taken once. `at`: Unix seconds, `skew`: seconds.

    `headers`: as `Signed.of` has them.
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
    if signed.version == V1 and not device.takes_version_1(at):
        raise Unauthorized(
            "signature_outdated",
            "Version 1 of the signature is no longer accepted from this device",
            "sign with version 2 (hcp-version: 2); until then its date can be set: hcp device version-1",
        )
    if signed.version == V2 and device.version_1_until and not device.version_2_seen_at:
        devices.saw_version_2(device.device_id)
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
