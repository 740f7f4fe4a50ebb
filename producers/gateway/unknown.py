"""What a sender says beyond the contract (`contract.md`: unknown fields are kept with the raw record and otherwise ignored)."""

from unicodedata import normalize

import msgspec

from schemas.events import CaseEvent, Reason, Reviewer, ReviewEvent
from schemas.reading import Invalid

_PERSONAL = {"reviewer", "reviewer_mark", *Reviewer.__struct_encode_fields__}
"""Nowhere but in a review's `reviewer`, which is sealed, may an identity reach a disk."""
_NAMED = {kind: frozenset(kind.__struct_encode_fields__) | _PERSONAL for kind in (CaseEvent, ReviewEvent)}
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def _spelt(name: str) -> str:
    """`Reviewer`, `received-at` and `idNumber` as the contract's names would be spelt the same way."""
    return "".join(filter(str.isalnum, normalize("NFKC", name).casefold()))


_SPELT = {kind: frozenset(map(_spelt, names)) for kind, names in _NAMED.items()}


def with_unknown(value: bytes, kind: type[CaseEvent] | type[ReviewEvent], sent: bytes) -> bytes:
    """`value`, the event as the gateway made it, and behind its fields those of `sent` that the contract does not name.

    A name of the contract stays out in every spelling: nothing that was checked or sealed comes back beside itself.
    `sent`: the JSON object that `value` was read from. Raises Invalid if it is not UTF-8. Pure.
    """
    try:
        fields = _fields(sent)
        if _NAMED[kind].issuperset(fields):
            return value
        unknown = _encode({name: said for name, said in fields.items() if _spelt(name) not in _SPELT[kind]})
        str(unknown, "utf-8")  # a string that no field takes up was passed over unread
    except UnicodeDecodeError:
        raise Invalid(Reason.NOT_JSON, "the value is not one well-formed JSON text in UTF-8") from None
    return value if unknown == b"{}" else value[:-1] + b"," + unknown[1:]
