"""The two kinds of rows, cases and reviews: what a mapping can fill of their events, and how a cell's text becomes it."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from schemas.codes import Channel, HandlingMode, Status
from schemas.events import CaseEvent, ReviewEvent

Event = CaseEvent | ReviewEvent
TIMES = frozenset({"served_at", "accepted_at", "submitted_at"})
WHOLE = frozenset({"service_no", "review_no", "satisfaction"})
IDENTITY = ("reviewer_name", "reviewer_phone", "reviewer_id_number")
"""The reviewer, in columns of its own; in the event it is one field, and sealed."""
WORDS: Mapping[str, tuple[str, ...]] = {
    "status": tuple(Status),
    "handling_mode": tuple(HandlingMode),
    "channel": tuple(Channel),
    "real_name": ("true", "false"),
}
"""What `codes` of such a field may lead to."""
BEYOND = "时间早于 2000 年，或比现在晚一天以上"
_OURS = frozenset(
    {
        "event_id",
        "received_at",
        "source",
        "promised_at",
        "failed_rules",
        "device_seq",
        "device_prev",
        "reviewer",
        "reviewer_mark",
    }
)
"""Fields that the importer sets itself, or that only a device knows."""
_COMMA = re.compile(r"[,，;；、|\s]+")


class Kind(NamedTuple):
    """A kind of row. `occurred`: the field that says when. `apart`: what differs between two applications, or two objects."""

    name: str
    event: type[Event]
    occurred: str
    apart: tuple[str, ...]
    fields: tuple[str, ...]
    required: tuple[str, ...]


class RowKind(StrEnum):
    """What a row of a source is."""

    CASE = "case"
    REVIEW = "review"

    @property
    def kind(self) -> Kind:
        """All about it."""
        return _KINDS[self]


def _kind(name: str, event: type[Event], occurred: str, apart: tuple[str, ...], *more: str) -> Kind:
    there = [field for field in msgspec.structs.fields(event) if field.name not in _OURS]
    names = (*(field.name for field in there), *more)
    return Kind(name, event, occurred, apart, names, tuple(f.name for f in there if f.required))


_KINDS = {
    RowKind.CASE: _kind("case", CaseEvent, "served_at", ("item_code", "dept_code", "accepted_at")),
    RowKind.REVIEW: _kind(
        "review",
        ReviewEvent,
        "submitted_at",
        ("item_code", "dept_code", "window_code", "staff_id"),
        *IDENTITY,
    ),
}


def typed(name: str, value: str | int | datetime, shift: timedelta) -> Any:
    """The value as JSON has it, a time moved by `shift`. ValueError, in Chinese, if it is none for this field."""
    if isinstance(value, datetime):
        return _moved(value, shift)
    return _TYPED.get(name, str)(str(value))


def _moved(time: datetime, shift: timedelta) -> datetime:
    try:
        return time + shift
    except OverflowError:
        raise ValueError(BEYOND) from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("不是整数") from None


def _list(text: str) -> list[str]:
    return [part for part in _COMMA.split(text) if part]


def _truth(text: str) -> bool:
    try:
        return {"true": True, "false": False}[text.lower()]
    except KeyError:
        raise ValueError("只能是 true 或 false") from None


_TYPED: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(WHOLE, _whole),
    "reason_codes": _list,
    "real_name": _truth,
}
