"""The form for a call to 12345: what an operator typed, what is wrong with it, the review that comes of it. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.catalogue import department_names
from schemas.codes import SATISFACTION, Channel, ReasonCode, reason_codes
from schemas.events import Reviewer, ReviewEvent
from schemas.phone import phone
from schemas.receipt import new_event_id, number_of

MAX_CODE, MAX_COMMENT = 64, 2_000
"""The contract's."""
AHEAD = timedelta(minutes=5)
"""How far the operator's clock may be ahead of ours."""


class Typed(NamedTuple):
    """A form as it was typed: shown again whenever it could not be taken. `level` is 0 while none is chosen."""

    event_id: str
    at: str
    case_no: str = ""
    service_no: str = "1"
    department: str = ""
    hall: str = ""
    window: str = ""
    level: int = 0
    reasons: tuple[str, ...] = ()
    comment: str = ""
    name: str = ""
    phone: str = ""

    @classmethod
    def new(cls, now: datetime, zone: ZoneInfo) -> "Typed":
        """An empty form: its review has its id already, so sending it twice makes one review."""
        return cls(new_event_id(now), now.astimezone(zone).strftime("%Y-%m-%dT%H:%M"))

    @classmethod
    def of(cls, fields: Mapping[str, Sequence[str]], blank: "Typed") -> "Typed":
        """From a form's fields, whatever they are. Reasons of another level and unknown ones fall away."""
        said = {name: values[0].strip() for name, values in fields.items() if values}
        level = next((level for level in SATISFACTION if str(level) == said.get("level")), 0)
        plain = {name: said[name] for name in _PLAIN if name in said}
        return blank._replace(
            **plain,
            event_id=said["event_id"] if number_of(said.get("event_id", "")) else blank.event_id,
            level=level,
            reasons=tuple(
                r.code for r in reasons_offered().get(level, ()) if r.code in fields.get("reasons", ())
            ),
            comment=said.get("comment", "").replace("\r\n", "\n"),
        )


_PLAIN = ("at", "case_no", "service_no", "department", "hall", "window", "name", "phone")


@cache
def reasons_offered() -> dict[int, tuple[ReasonCode, ...]]:
    """The national tags by level, retired ones left out."""
    current = [reason for reason in reason_codes().values() if not reason.retired]
    return {level: tuple(r for r in current if r.satisfaction == level) for level in SATISFACTION}


def mistakes(typed: Typed, now: datetime, zone: ZoneInfo) -> dict[str, str]:
    """What has to be mended before it can be sent: field → what to do, in the order of the page."""
    found = {
        "case_no": _service(typed),
        "service_no": "" if _number(typed.service_no) else "请填写 1 至 99 的数字",
        "department": "" if typed.department in {"", *department_names()} else "请从列表中选择部门",
        "hall": _too_long(typed.hall, MAX_CODE),
        "window": _too_long(typed.window, MAX_CODE),
        "level": "" if typed.level else "请选择来电人的满意程度",
        "comment": _too_long(typed.comment, MAX_COMMENT),
        "at": _time(typed, now, zone),
        "name": _too_long(typed.name, MAX_CODE),
        "phone": "" if not typed.phone or phone(typed.phone) else _PHONE,
    }
    return {field: words for field, words in found.items() if words}


_PHONE = "请核对电话号码：手机号为 11 位数字，固定电话请加区号；也可以不填"


def review(typed: Typed, device_id: str, zone: ZoneInfo) -> ReviewEvent:
    """The review of a form without mistakes."""
    reviewer = Reviewer(typed.name, phone(typed.phone))
    return ReviewEvent(
        satisfaction=typed.level,
        channel=Channel.HOTLINE,
        submitted_at=_local(typed.at, zone),
        event_id=typed.event_id,
        case_no=typed.case_no or None,
        service_no=_number(typed.service_no) if typed.case_no else 1,
        reason_codes=list(typed.reasons),
        comment=typed.comment,
        dept_code=typed.department,
        hall_code=typed.hall,
        window_code=typed.window,
        device_id=device_id,
        real_name=bool(reviewer.phone),
        reviewer=reviewer if reviewer.name or reviewer.phone else None,
    )


def _service(typed: Typed) -> str:
    if not (typed.case_no or typed.department):
        return "请填写办件编号；来电人说不出编号的，请在下面选择部门"
    return _too_long(typed.case_no, MAX_CODE)


def _time(typed: Typed, now: datetime, zone: ZoneInfo) -> str:
    try:
        at = _local(typed.at, zone)
    except ValueError:
        return "请填写来电的日期和时间"
    if at > now + AHEAD:
        return "来电时间不能晚于现在"
    return "" if at.year >= 2000 else "请核对来电时间的年份"


def _local(text: str, zone: ZoneInfo) -> datetime:
    """`2026-06-10T15:20` in the county. ValueError."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M").replace(tzinfo=zone)


def _number(text: str) -> int:
    """1 to 99; 0 for anything else."""
    return int(text) if re.fullmatch("[1-9][0-9]?", text) else 0


def _too_long(text: str, most: int) -> str:
    return f"最多 {most} 个字，现在有 {len(text)} 个字，请删减" if len(text) > most else ""
