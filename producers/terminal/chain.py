"""The chain of a device's events: each carries its number and the SHA-256 of the event before, as it was sent."""

from hashlib import sha256

import msgspec

from schemas.events import ReviewEvent

_encode = msgspec.json.Encoder().encode


class Head(msgspec.Struct, frozen=True):
    """Where the chain stands: number and digest of its last event; before the first one, 0 and nothing."""

    seq: int = 0
    digest: str = ""


def linked(head: Head, review: ReviewEvent) -> tuple[bytes, Head]:
    """The JSON of this review as the next event, to be kept and sent exactly so, and the head that it makes. Pure."""
    next_one = msgspec.structs.replace(review, device_seq=head.seq + 1, device_prev=head.digest or None)
    body = _encode(next_one)
    return body, Head(head.seq + 1, sha256(body).hexdigest())
