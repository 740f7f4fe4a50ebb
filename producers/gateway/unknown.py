"""What a sender says beyond the contract (`contract.md`: unknown fields are kept with the raw record and otherwise ignored)."""

import json
from collections.abc import Iterable
from itertools import product
from typing import Any

import msgspec

from producers.placeholders import ClaimedReview
from schemas.events import CaseEvent, Reason, Reviewer, ReviewEvent
from schemas.normalizing import nfkc
from schemas.reading import Invalid

_WHOSE = ("", "user_", "citizen_", "applicant_", "reviewer_", "contact_", "link_", "linkman_")
_WHAT = (
    "phone", "phone_no", "phone_num", "phone_number", "mobile", "mobile_no", "mobile_number", "mobile_phone", "cellphone",
    "tel", "tel_no", "telephone", "telphone",
    "id_card", "id_card_no", "id_card_number", "id_no", "id_number", "identity_number",
    "cert_no", "cert_key", "cert_key_gov", "certificate_no",
)  # fmt: skip
_WHOSE_IN_CHINESE = ("", "用户", "申请人", "评价人", "联系人", "办事人")
_WHAT_IN_CHINESE = (
    "姓名", "手机", "手机号", "手机号码", "电话", "电话号码", "联系电话", "联系方式",
    "身份证", "身份证号", "身份证号码", "证件号", "证件号码",
)  # fmt: skip
PERSONAL = {
    "reviewer", "reviewer_mark", *Reviewer.__struct_encode_fields__,
    "user_name", "citizen_name", "applicant_name", "reviewer_name", "contact_name", "linkman", "linkman_name",
    "sjh", "sjhm", "lxdh", "sfzh", "sfzhm", "zjhm",  # 手机号(码), 联系电话, 身份证号(码), 证件号码
    *map("".join, product(_WHOSE, _WHAT)), *map("".join, product(_WHOSE_IN_CHINESE, _WHAT_IN_CHINESE)),
}  # fmt: skip
"""Nowhere but in a review's `reviewer`, which is sealed, may an identity reach a disk: what senders call one, at any depth."""
_NAMED = {
    kind: frozenset(kind.__struct_encode_fields__) | PERSONAL
    for kind in (CaseEvent, ReviewEvent, ClaimedReview)
}
MOST_NAME = 256
"""Characters of a field's name. How a longer one is spelt takes too long to find out, so it might name an identity."""
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def _spelt(name: str) -> str:
    """`Reviewer`, `received-at` and `idNumber` as the contract's names would be spelt the same way."""
    if len(name) > MOST_NAME:
        raise Invalid(Reason.OUT_OF_RANGE, f"the name of a field has more than {MOST_NAME} characters")
    return "".join(filter(str.isalnum, nfkc(name).casefold()))


_SPELT = {kind: frozenset(map(_spelt, names)) for kind, names in _NAMED.items()}
_SPELT_PERSONAL = frozenset(map(_spelt, PERSONAL))


def _impersonal(members: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: said for name, said in members if _spelt(name) not in _SPELT_PERSONAL}


_cleaned = json.JSONDecoder(
    object_pairs_hook=_impersonal, parse_int=msgspec.Raw, parse_float=msgspec.Raw
).decode
"""A value without personal members, at any depth; numbers stay as they were written. One pass, however deep it is nested."""


def with_unknown(value: bytes, kind: type[CaseEvent] | type[ReviewEvent], sent: bytes) -> bytes:
    """`value`, the event as the gateway made it, and behind its fields those of `sent` that the contract does not name.

    A name of the contract stays out in every spelling: nothing that was checked or sealed comes back beside itself. So does,
    at any depth, what is called as an identity is.
    `sent`: the JSON object that `value` was read from. Raises Invalid if it is not UTF-8, is nested too deep, or has a field with too
    long a name. Deterministic.
    """
    try:
        fields = _fields(sent)
        if _NAMED[kind].issuperset(fields):
            return value
        names = _SPELT[kind]
        unknown = _encode(
            {name: _cleaned(str(said, "utf-8")) for name, said in fields.items() if _spelt(name) not in names}
        )
    except (UnicodeDecodeError, RecursionError):
        raise Invalid(Reason.NOT_JSON, "the value is not one well-formed JSON text in UTF-8") from None
    return value if unknown == b"{}" else value[:-1] + b"," + unknown[1:]
