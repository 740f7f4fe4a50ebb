"""Why the contract's reader refuses a row, for the officer who keyed it: the field, and what it may say."""

import re
from typing import NamedTuple

from producers.imports.kinds import BEYOND
from schemas.events import Reason
from schemas.reading import Invalid

EMPTY = "不能为空"
MALFORMED = "内容不符合规定的格式"
_SAID = {
    Reason.MISSING_FIELD: EMPTY,
    Reason.OUT_OF_RANGE: MALFORMED,
    Reason.UNKNOWN_VALUE: "不是规定的取值",
    Reason.WRONG_TYPE: MALFORMED,
    Reason.TIME_OUT_OF_RANGE: BEYOND,
    Reason.TOO_LARGE: "这一行太长",
}
_LIMIT = re.compile(r"expected `(\w+)`(?: of length)? (<=|>=) (\d+)")


class Refusal(NamedTuple):
    """`field` of the event, empty if it is the event as a whole; `message` in Chinese, without the cell's content."""

    field: str
    message: str


def refusal(invalid: Invalid) -> Refusal:
    """What the reader says, which begins with the field's name, in an officer's words. Pure."""
    field = re.match(r"[a-z_]*", invalid.message)
    message = _limit(invalid.message) or _SAID.get(invalid.reason, invalid.message)
    return Refusal(field[0] if field else "", message)


def _limit(message: str) -> str:
    """Empty if it is about no limit."""
    if message.endswith(" is empty"):
        return EMPTY
    found = _LIMIT.search(message)
    if found is None:
        return ""
    kind, sign, number = found.groups()
    if kind == "int":
        return f"不能{'大于' if sign == '<=' else '小于'} {number}"
    most = f"最多 {number} 个{'字' if kind == 'str' else ''}"
    return most if sign == "<=" else EMPTY
