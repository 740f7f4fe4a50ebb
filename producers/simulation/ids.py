"""Event ids of a simulation: the same for the same seed, in the order of their times as anybody's."""

from datetime import datetime
from random import Random

from schemas.identifiers import uuid7


def new_id(rng: Random, at: datetime) -> str:
    """A UUIDv7 of this moment, of this chance."""
    return str(uuid7(int(at.timestamp() * 1000), rng.getrandbits(80)))
