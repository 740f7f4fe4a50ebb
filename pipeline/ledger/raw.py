"""Raw blocks: what the log said, record by record, so that a replay can go back beyond the log's retention.

A block is an lz4 frame, with its checksum, of a MessagePack list of `RawRecord`. Identities in it are sealed; a refused
record lies in `dead_letter`, sealed whole; one that stands for several offsets is there once. Of key and headers, which may
hold anything, only what the fold reads is kept.
"""

from collections.abc import Iterable
from typing import NamedTuple

import lz4.frame
import msgspec

from pipeline.ledger.portion import Headers


class RawRecord(NamedTuple):
    """`value` is None for a tombstone and, with `refused`, for a dead letter, which stands for so many `records`.

    `key`, and headers that the fold does not read: in blocks of earlier versions only.
    """

    offset: int
    timestamp: int
    key: bytes | None
    headers: Headers
    value: bytes | None
    refused: bool
    records: int = 1


RawFields = (
    tuple[int, int, bytes | None, Headers, bytes | None, bool]
    | tuple[int, int, bytes | None, Headers, bytes | None, bool, int]
)
"""The same as a plain tuple, which is made faster."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[RawRecord]).decode


def pack(records: Iterable[RawFields]) -> bytes:
    """One block."""
    block: bytes = lz4.frame.compress(_encode(list(records)), content_checksum=True)
    return block


class Damaged(ValueError):
    """A block whose bytes are not those that were written."""


def unpack(block: bytes) -> list[RawRecord]:
    """The records of a block. Raises Damaged."""
    try:
        return _decode(lz4.frame.decompress(block))
    except (RuntimeError, msgspec.MsgspecError) as error:
        raise Damaged(str(error)) from None
