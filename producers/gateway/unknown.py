"""What a sender says beyond the contract (`contract.md`: unknown fields are kept with the raw record and otherwise ignored)."""

from typing import Any
from unicodedata import normalize

import msgspec

from schemas.events import CaseEvent, Reason, Reviewer, ReviewEvent
from schemas.reading import Invalid

PERSONAL = {
    "reviewer", "reviewer_mark", *Reviewer.__struct_encode_fields__,
    "user_name", "citizen_name", "applicant_name", "姓名",
    "mobile", "mobile_no", "mobile_phone", "cellphone", "tel", "telephone", "phone_no", "phone_number", "contact_phone",
    "link_phone", "手机", "手机号", "手机号码", "电话", "电话号码", "联系电话",
    "id_card", "id_card_no", "id_card_number", "id_no", "identity_number", "cert_no", "cert_key", "certificate_no",
    "身份证", "身份证号", "身份证号码",
}  # fmt: skip
"""Nowhere but in a review's `reviewer`, which is sealed, may an identity reach a disk: what senders call one, at any depth."""
_NAMED = {kind: frozenset(kind.__struct_encode_fields__) | PERSONAL for kind in (CaseEvent, ReviewEvent)}
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def _spelt(name: str) -> str:
    """`Reviewer`, `received-at` and `idNumber` as the contract's names would be spelt the same way."""
    return "".join(filter(str.isalnum, normalize("NFKC", name).casefold()))


_SPELT = {kind: frozenset(map(_spelt, names)) for kind, names in _NAMED.items()}
_SPELT_PERSONAL = frozenset(map(_spelt, PERSONAL))


def _without(said: msgspec.Raw, names: frozenset[str]) -> Any:
    """This value without members of these names, and without personal ones inside; numbers stay as they were written."""
    text = bytes(said).lstrip()
    if text.startswith(b"{"):
        kept = {name: inner for name, inner in _fields(text).items() if _spelt(name) not in names}
        return {name: _without(inner, _SPELT_PERSONAL) for name, inner in kept.items()}
    if text.startswith(b"["):
        return [_without(inner, _SPELT_PERSONAL) for inner in _items(text)]
    return said


def with_unknown(value: bytes, kind: type[CaseEvent] | type[ReviewEvent], sent: bytes) -> bytes:
    """`value`, the event as the gateway made it, and behind its fields those of `sent` that the contract does not name.

    A name of the contract stays out in every spelling: nothing that was checked or sealed comes back beside itself. So does,
    at any depth, what is called as an identity is.
    `sent`: the JSON object that `value` was read from. Raises Invalid if it is not UTF-8. Pure.
    """
    try:
        fields = _fields(sent)
        if _NAMED[kind].issuperset(fields):
            return value
        unknown = _encode(_without(msgspec.Raw(sent), _SPELT[kind]))
        str(unknown, "utf-8")  # a string that no field takes up was passed over unread
    except UnicodeDecodeError:
        raise Invalid(Reason.NOT_JSON, "the value is not one well-formed JSON text in UTF-8") from None
    return value if unknown == b"{}" else value[:-1] + b"," + unknown[1:]
