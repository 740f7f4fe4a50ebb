"""A terminal's own count: each event carries its number and the SHA-256 of the one before, as it was sent."""

from hashlib import sha256

import msgspec
from msgspec.structs import replace

from schemas.events import ReviewEvent

_encode = msgspec.json.Encoder().encode


class Chain:
    """Begins at 1, as a terminal that was just installed does."""

    def __init__(self) -> None:
        self._seq = 0
        self._digest: str | None = None

    def link(self, event: ReviewEvent) -> bytes:
        """The JSON of an event as the next of the chain. It has to be sent exactly so, before the one after it."""
        body = _encode(replace(event, device_seq=self._seq + 1, device_prev=self._digest))
        self._seq, self._digest = self._seq + 1, sha256(body).hexdigest()
        return body
