"""How the desk says things in Chinese: times, time limits, states, what is odd about a record."""

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pipeline.ledger.rate import Rate
from pipeline.privacy import mask, scrub
from pipeline.rules.working_days import Calendar
from schemas.catalogue import department_names
from schemas.codes import SATISFACTION, Channel, HandlingMode, reason_codes
from schemas.tickets import State

EXCERPT = 40
"""Characters of a comment in the list: one line of text."""

_ROUTES = {
    "case": "按办件的承办部门",
    "hint": "按评价中填写的部门或事项",
    "county": "未能确定承办部门，由县好差评监督办处理",
}
_FLAGS = {
    "reason_unknown": "评价标签不在国家标签表中",
    "reason_retired": "评价标签已停用",
    "reason_level": "评价标签与满意度不一致",
    "device_seq_too_large": "评价器的编号超出范围，没有计入编号情况",
    "id_reused": "同一事件编号被用于不同内容",
    "received_claimed": "来源自称的归集时间没有本系统签名，按实际到达时间计算",
    "received_in_future": "来源自称的归集时间晚于实际到达时间，按实际到达时间计算",
    "identity_expired": "保存期已满，评价人身份信息不再保存",
    "identity_erased": "评价人身份信息已按要求删除",
    "edge_refused": "所附签名不属于这条记录，按实际到达时间计算",
}
_STATUS = {"accepted": "已受理", "in_progress": "办理中", "completed": "已办结"}

_SEVERITY = {"serious": "严重", "ordinary": "一般"}


class Limit(NamedTuple):
    """How much time is left. `signal`: `late`, `soon` or `calm`; the words say the same."""

    words: str
    signal: str


def limit(due: datetime, now: datetime, zone: ZoneInfo, calendar: Calendar) -> Limit:
    """The time left until `due`, or gone since, in working days of `zone`. Pure."""
    today, last = now.astimezone(zone).date(), due.astimezone(zone).date()
    if due < now:
        gone = calendar.between(last, today)
        return Limit(f"已超期 {gone} 个工作日" if gone else "已超期，不足 1 个工作日", "late")
    left = calendar.between(today, last)
    if left == 0:
        return Limit("今天到期", "soon")
    return Limit(f"还剩 {left} 个工作日", "soon" if left == 1 else "calm")


def moment(at: datetime | None, zone: ZoneInfo) -> str:
    """2026年11月23日 15:20; a dash for none."""
    if at is None:
        return "—"
    return f"{day(at, zone)} {at.astimezone(zone):%H:%M}"


def day(at: datetime, zone: ZoneInfo) -> str:
    """2026年11月23日."""
    there = at.astimezone(zone)
    return f"{there.year}年{there.month}月{there.day}日"


def percent(rate: Rate) -> str:
    """95.3 %，486/510; a dash while nothing is counted."""
    return "—" if rate.value is None else f"{rate.value * 100:.1f} %，{rate.part}/{rate.whole}"


def department(code: str) -> str:
    """A department's name; an unknown code as it is."""
    return department_names().get(code, code)


def level(satisfaction: int) -> str:
    """The name of a level."""
    return SATISFACTION[satisfaction]


def tags(codes: list[str]) -> list[str]:
    """The texts of these tags; an unknown one as it came, masked."""
    known = reason_codes()
    return [known[code].text if code in known else f"未知标签 {mask(code)}" for code in codes]


def excerpt(comment: str) -> str:
    """The beginning of a comment, scrubbed."""
    whole = " ".join(scrub(comment).split())
    return whole if len(whole) <= EXCERPT else whole[:EXCERPT] + "…"


def state(value: str) -> str:
    """The name of a ticket's state; an unknown one as it is."""
    return State(value).label if value in set(State) else value


def channel(value: str) -> str:
    """The name of a channel."""
    return Channel(value).label


def handling(value: str) -> str:
    """The name of a way of handling; a dash while no case says it."""
    return HandlingMode(value).label if value else "—"


def status(value: str) -> str:
    """The name of a case's state."""
    return _STATUS[value]


def severity(value: str) -> str:
    """How much an inspection rule weighs."""
    return _SEVERITY[value]


def route(by: str) -> str:
    """Why this department has the ticket."""
    return _ROUTES[by]


def sender(said: str) -> str:
    """Who sent a case record, as our edge signed it."""
    return f"报送系统 {said.rsplit('/', 1)[-1]}" if said else "报送系统不明（没有签名）"


def flags(values: list[str]) -> list[str]:
    """What is odd about a review; an unknown flag as it is."""
    return [_FLAGS.get(value, value) for value in values]
