"""Receipt numbers: short enough to be read out, and the event's id again without a table.

A form's event id is a UUIDv7 with less chance in it than usual: whole seconds and 30 random bits. Both stand in the
number, 12 characters of Crockford's base 32. Two forms of one second share an id once in a billion.
"""

import secrets
from datetime import UTC, datetime
from uuid import UUID

from schemas.identifiers import uuid7

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
HALF = 6
"""Characters for the seconds, and as many for the random bits: 30 bits each, good for 34 years."""
BITS = 5 * HALF
BEGINNING = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp())
_VALUE = {letter: value for value, letter in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}


def new_event_id(now: datetime) -> str:
    """The id of the review that a form made now may become."""
    return _event_id(int(now.timestamp()) - BEGINNING, secrets.randbits(BITS))


def number_of(event_id: str) -> str:
    """The receipt number of a form's review, in three groups; empty for an id that no form has. Pure."""
    try:
        whole = UUID(event_id).int
    except ValueError:
        return ""
    seconds, chance = (whole >> 80) // 1000 - BEGINNING, whole & (1 << BITS) - 1
    if not 0 <= seconds < 1 << BITS or _event_id(seconds, chance) != event_id:
        return ""
    letters = _letters(seconds) + _letters(chance)
    return "-".join(letters[at : at + 4] for at in range(0, 2 * HALF, 4))


def event_of(number: str) -> str:
    """The event id of a number as a person types it; empty for what is no number. Pure."""
    typed = "".join(letter for letter in number.upper() if letter.isalnum())
    if len(typed) != 2 * HALF or not set(typed) <= _VALUE.keys():
        return ""
    return _event_id(_value(typed[:HALF]), _value(typed[HALF:]))


def _event_id(seconds: int, chance: int) -> str:
    return str(uuid7((BEGINNING + seconds) * 1000, chance))


def _letters(value: int) -> str:
    return "".join(ALPHABET[value >> 5 * place & 31] for place in reversed(range(HALF)))


def _value(letters: str) -> int:
    value = 0
    for letter in letters:
        value = value << 5 | _VALUE[letter]
    return value
