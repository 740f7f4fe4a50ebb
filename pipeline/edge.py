"""The edge's signature: who sent a record, and when we had it first, signed by the component of ours that held it first.

The header `hcp_edge` is `1;<key id>;<received at>;<MAC in base64>;<sender>`. The MAC is HMAC-SHA256 over topic, event id, time,
sender and the SHA-256 of the value as published, by a key that derives from a sealing key. The key id allows rotation.
"""

import hmac
from binascii import b2a_base64
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from pipeline.seal_keys import Seal

HEADER = "hcp_edge"
VERSION = b"1"
MOST_SENDER = 512
"""Bytes of a sender; more than any device or mapping is called by."""
MOST = MOST_SENDER + 256
"""Bytes of a header that is looked at."""
_TIME = 32
"""Characters of a time: always UTC, always six decimals. A MAC's fields have one reading only because this is fixed."""


class Vouched(NamedTuple):
    """What a valid signature says. `sender`: the source as authenticated (`/system/<device>`); empty if nobody was."""

    sender: str
    received_at: datetime


class Edge:
    """Signs with the current sealing key, knows the signatures of every key of the ring. Pure, may be shared by threads."""

    def __init__(self, seal: Seal) -> None:
        self._current = seal.current.encode()
        self._pads = {key_id.encode(): _pads(seal.derived(key_id, "edge")) for key_id in seal.keys}

    def sign(
        self, topic: str, event_id: str, received_at: datetime, sender: str, value: bytes
    ) -> tuple[str, bytes]:
        """The header for these bytes, as they will be published. `received_at` is an aware time.

        The same each time for the same. KeyError without a sealing key, ValueError for a sender that is too long.
        """
        at = received_at.astimezone(UTC).isoformat(timespec="microseconds").encode()
        who = sender.encode()
        if len(who) > MOST_SENDER:
            raise ValueError(
                f"the sender {sender[:40]}… has {len(who)} bytes, at most {MOST_SENDER} can be signed"
            )
        mac = self._mac(self._current, topic, event_id, at, who, value)
        return HEADER, b";".join((VERSION, self._current, at, mac, who))

    def verify(self, said: bytes, topic: str, event_id: str, value: bytes) -> Vouched | None:
        """Who and when, if this header was made for exactly this; None for anything else. Raises nothing."""
        if len(said) > MOST:
            return None
        parts = said.split(b";", 4)
        if len(parts) != 5 or parts[0] != VERSION or parts[1] not in self._pads or len(parts[2]) != _TIME:
            return None
        _, key_id, at, mac, who = parts
        if not hmac.compare_digest(self._mac(key_id, topic, event_id, at, who, value), mac):
            return None
        return Vouched(who.decode(), datetime.fromisoformat(at.decode()))

    def _mac(self, key_id: bytes, topic: str, event_id: str, at: bytes, who: bytes, value: bytes) -> bytes:
        """A topic and an event id hold no zero byte, time and digest are of one length: no two records read alike."""
        inner, outer = self._pads[key_id]
        inner, outer = inner.copy(), outer.copy()
        about = f"{topic}\0{event_id}\0".encode("utf-8", "surrogatepass")
        inner.update(about + at + sha256(value).digest() + who)
        outer.update(inner.digest())
        return b2a_base64(outer.digest(), newline=False)


def _pads(key: bytes) -> tuple[Any, Any]:
    """HMAC-SHA256 (RFC 2104) as far as the key decides it: two digests begun, of which each record takes copies. That is half
    the time of `hmac`, for every record of the fold.
    """
    padded = key.ljust(sha256().block_size, b"\0")
    return sha256(bytes(byte ^ 0x36 for byte in padded)), sha256(bytes(byte ^ 0x5C for byte in padded))
