"""Raw blocks: what the log said, record by record, so that a replay can go back beyond the log's retention.

A block is lz4 of a MessagePack list of `RawRecord`. Identities in it are sealed; a refused record's bytes lie in
`dead_letter`, sealed whole.
"""

from collections.abc import Iterable
from typing import NamedTuple

import lz4.block
import msgspec

from pipeline.ledger.portion import Headers


class RawRecord(NamedTuple):
    """`value` is None for a tombstone and, with `refused`, for a dead letter."""

    offset: int
    timestamp: int
    key: bytes | None
    headers: Headers
    value: bytes | None
    refused: bool


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[RawRecord]).decode


def pack(records: Iterable[RawRecord]) -> bytes:
    """One block."""
    block: bytes = lz4.block.compress(_encode(list(records)))
    return block


def unpack(block: bytes) -> list[RawRecord]:
    """The records of a block."""
    return _decode(lz4.block.decompress(block))
