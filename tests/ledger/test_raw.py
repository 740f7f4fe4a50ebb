"""A raw block gives back what was put in, or says that it is damaged."""

from random import Random

import lz4.frame
import msgspec
import pytest

from pipeline.ledger.raw import Damaged, RawRecord, pack, unpack

NOISE = Random(1).randbytes(500)
"""It does not get smaller, so it lies in the block as it is."""
RECORDS = [
    RawRecord(7, 1_795_399_200_005, b"k", (("a", b"\xff"), ("b", None)), NOISE, False),
    RawRecord(8, 1_795_399_200_005, None, (), None, True),
]


def test_a_block_gives_back_its_records() -> None:
    assert unpack(pack(RECORDS)) == RECORDS
    assert unpack(pack([])) == []


def test_a_byte_that_changed_is_noticed_wherever_it_lies() -> None:
    block = pack(RECORDS)
    at = block.index(NOISE[:50]) + 25
    with pytest.raises(Damaged, match=r"(?i)checksum"):
        unpack(block[:at] + bytes([block[at] ^ 1]) + block[at + 1 :])


@pytest.mark.parametrize("block", [b"", b"no frame", lz4.frame.compress(msgspec.msgpack.encode([1]))])
def test_what_is_no_block_is_damaged(block: bytes) -> None:
    with pytest.raises(Damaged):
        unpack(block)
