"""The picture of `consumers.status` for people: tables on a terminal, English with the county's terms."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.times import shown
from schemas.codes import HandlingMode
from schemas.tickets import State

TARGET = 0.95
"""D5: the review rate that the county's plan demands."""
TERMS = {
    "stored": "已入库",
    "duplicate": "重复",
    "conflict": "冲突",
    "dead_letter": "死信",
    "skipped": "空记录",
    "matched": "已匹配",
    "matched_late": "迟到匹配",
    "orphan": "无主评价",
    "unmatched": "待匹配",
    "standalone": "无办件评价",
    "reviewed": "已评价",
    "unreviewed": "未评价",
    "pending": "待评价",
    "broken": "编号异常",
    "missing": "缺号",
    "silent": "长时间无评价",
    "unregistered": "未登记",
    "nothing": "正常",
    "revoked": "已停用",
    "forked": "编号重复",
    "unlinked": "前后不衔接",
} | {state.value: state.label for state in State}

Picture = Mapping[str, Any]


def summary(picture: Picture) -> RenderableType:
    """What is wrong, and what came through: fates, outcomes, rates, tickets."""
    return Group(_troubles(picture), _figures(picture))


def report(picture: Picture, zone: ZoneInfo) -> RenderableType:
    """Everything that `hcp status` knows: what is wrong first. Times are shown in `zone`."""
    return Group(
        _troubles(picture),
        _addresses(picture),
        Text(),
        _topics(picture),
        Text(),
        _figures(picture),
        Text(),
        _components(picture, zone),
        Text(f"as of {_at(picture['asked_at'], zone)}", "dim"),
    )


def _troubles(picture: Picture) -> RenderableType:
    errors = [Text(f"! {error}", "red") for error in picture.get("errors", [])]
    notes = [Text(f"note: {note}", "yellow") for note in picture.get("notes", [])]
    return Group(*errors, *notes)


def _figures(picture: Picture) -> RenderableType:
    table = _plain_table()
    for name, words in lines(picture).items():
        table.add_row(Text(name, "bold"), words)
    return table


def lines(picture: Picture) -> dict[str, str]:
    """Name → words, those rows that have something to say."""
    return {name: words for name, words in _lines(picture) if words}


def _lines(picture: Picture) -> Iterator[tuple[str, str]]:
    for topic, fates in picture.get("fates", {}).items():
        yield topic, _counts(fates)
    yield (
        "to fold",
        f"{lag:,} records" if (lag := sum(topic["lag"] or 0 for topic in picture.get("topics", []))) else "",
    )
    for key, name in (
        ("reviews", "reviews 评价"),
        ("services", "services 服务"),
        ("tickets", "tickets 差评工单"),
    ):
        yield name, _counts(picture.get(key, {}))
    for mode, rate in picture.get("rates", {}).items():
        yield f"review rate {HandlingMode(mode).label}", _rate(rate, TARGET)
    for name, label in (
        ("good", "good rate 好评率"),
        ("inspection_passed", "inspection passed 办件质检合格率"),
        ("reviews_on_time", "reviews on time"),
        ("cases_on_time", "cases on time"),
    ):
        yield label, _rate(picture.get("quality", {}).get(name))
    for name, label in (
        ("items_reviewed", "items reviewed 事项"),
        ("departments_reviewed", "departments 部门"),
        ("windows_reviewed", "windows 窗口"),
        ("channels_delivering", "channels 渠道"),
    ):
        yield label, _rate(picture.get("coverage", {}).get(name))
    yield "failed inspection 质检不合格", _counts(picture.get("inspection", {}))
    yield "devices 评价器", _counts(picture.get("devices", {}))
    yield "of them, numbers", _counts(picture.get("device_faults", {}))
    yield "dead letters 死信", _counts(picture.get("dead_letters", {}))
    yield "of them open", f"{n:,}, see `hcp dlq list`" if (n := picture.get("dead_letters_open")) else ""
    yield "tickets overdue 超期", f"{overdue:,}" if (overdue := picture.get("tickets_overdue")) else ""
    shared = picture.get("shared_numbers", {"keys": 0, "first": []})
    yield "shared numbers 一号多用", _shared_numbers(shared["keys"], shared["first"])
    outbox = picture.get("outbox", {})
    yield "outbox", f"{unsent:,} rows to send" if (unsent := outbox.get("unsent")) else ""
    yield "outbox, set aside", f"{n:,}, see `hcp outbox list`" if (n := outbox.get("set_aside")) else ""
    yield "gaps, repairs", f"{picture['gaps']}, {picture['repairs']}" if "gaps" in picture else ""


def _shared_numbers(keys: int, first: Sequence[Picture]) -> str:
    """How many, and the first of them, each in a line with who sent it."""
    if not keys:
        return ""
    told = [
        f"{one['case_no']} ({one['service_no']}): {one['reviews']:,} reviews, {one['versions']:,} versions, "
        f"from {', '.join(one['senders']) or 'nobody who is named'}"
        for one in first
    ]
    return "\n".join([f"{keys:,}, a sender's placeholder? see docs/operations.md", *told])


def _counts(found: Mapping[str, int]) -> str:
    named = ((f"{name} {TERMS[name]}" if name in TERMS else name, n) for name, n in found.items() if n)
    return "   ".join(f"{name} {n:,}" for name, n in named)


def _rate(rate: Mapping[str, Any] | None, target: float | None = None) -> str:
    if not rate or rate["rate"] is None:
        return ""
    below = f", below the target of {target:.0%}" if target and rate["rate"] < target else ""
    return f"{rate['rate']:.1%} ({rate['part']:,}/{rate['whole']:,}){below}"


def _plain_table() -> Table:
    return Table(box=None, show_header=False, pad_edge=False)


def _addresses(picture: Picture) -> Table:
    table = _plain_table()
    for name, address in picture["addresses"].items():
        table.add_row(Text(name, "bold"), Text(address, overflow="fold"))
    return table


def _topics(picture: Picture) -> Table:
    table = Table("topic", box=None, pad_edge=False)
    for name in ("partition", "log start", "end", "position", "lag"):
        table.add_column(name, justify="right")
    for row in picture["topics"]:
        numbers = (row["partition"], row["log_start"], row["end"], row["position"], row["lag"])
        table.add_row(row["topic"], *("–" if n is None else f"{n:,}" for n in numbers))
    return table


def _components(picture: Picture, zone: ZoneInfo) -> Table:
    table = Table(
        *("component", "state", "last beat", "starts", "runs since", "last error"), box=None, pad_edge=False
    )
    for row in picture.get("components", []):
        last = f"{_at(row['last_error_at'], zone)} {row['last_error']}" if row["last_error"] else "none"
        since = _at(row["started_at"], zone) if row["started_at"] else "–"
        table.add_row(row["name"], row["state"], _at(row["at"], zone), f"{row['starts']:,}", since, last)
    return table


def _at(stamp: str, zone: ZoneInfo) -> str:
    return shown(datetime.fromisoformat(stamp), zone)
