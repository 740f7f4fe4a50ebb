"""评价器: every device, what is odd about its numbers, which have fallen silent."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from consumers.desk import words
from consumers.desk.desk import Desk
from consumers.desk.paging import PAGE_SIZE, Paging, page_asked, url
from consumers.desk.words import Limit
from pipeline.ledger.device_chains import holes
from pipeline.ledger.device_list import SILENT, Need, Standing, devices

HOLES_SHOWN = 20
"""Stretches of missing numbers of one device; more of them say no more."""

_FAULTS = {
    "missing": ("缺 {} 条：可能还在路上，也可能丢失", "soon"),
    "forked": ("编号重复 {} 处：设备可能重装过", "late"),
    "unlinked": ("前后不衔接 {} 处：评价可能在途中被改动过", "late"),
}


class Asked(NamedTuple):
    """What the list is asked for in its URL."""

    needing: bool = False
    page: int = 1

    @classmethod
    def of(cls, request: Request) -> "Asked":
        """From the query string."""
        return cls(request.query_params.get("needing") == "1", page_asked(request))

    def url(self, page: int) -> str:
        """The same list at another page."""
        return url("/devices", {"needing": "1" if self.needing else "", "page": page})


class DevicePages:
    """The endpoint. It blocks; a database that is away raises."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def devices(self, request: Request) -> Response:
        """The list, what needs a person first."""
        asked, now = Asked.of(request), self._desk.clock()
        with self._desk.snapshot() as connection:
            known = devices(connection, now)
            needing = [one for one in known if one.need(now) < Need.NOTHING]
            chosen = needing if asked.needing else known
            paging = Paging.of(asked.page, len(chosen))
            rows = chosen[paging.offset : paging.offset + PAGE_SIZE]
            gaps = holes(connection, [one.device_id for one in rows if one.faults["missing"]])

        def words_of(one: Standing) -> Line:
            return Line(one, now, gaps.get(one.device_id, []))

        context = {"asked": asked, "now": now, "paging": paging, "rows": rows, "words_of": words_of}
        return self._desk.show(
            request, "devices.html", context | {"known": len(known), "needing": len(needing)}
        )


class Line:
    """One device in words."""

    def __init__(self, device: Standing, now: datetime, gaps: list[tuple[int, int]]) -> None:
        self.place = "，".join(_place(device)) or "不限"
        self.channels = "、".join(words.channel(channel) for channel in device.channels) or "只报办件"
        self.faults = {kind: Limit(_FAULTS[kind][0].format(n), _FAULTS[kind][1]) for kind, n in _odd(device)}
        self.holes = [_hole(first, last) for first, last in gaps[:HOLES_SHOWN]]
        self.more_holes = len(gaps) - len(self.holes)
        self.state = _state(device, now)


def _odd(device: Standing) -> Iterator[tuple[str, int]]:
    return ((kind, number) for kind, number in device.faults.items() if number)


def _place(device: Standing) -> Iterator[str]:
    if device.dept_code:
        yield words.department(device.dept_code)
    if device.hall_code:
        yield device.hall_code
    if device.window_code:
        yield f"{device.window_code} 窗口"


def _hole(first: int, last: int) -> str:
    return f"第 {first} 号" if first == last else f"第 {first} 至 {last} 号，共 {last - first + 1} 条"


def _state(device: Standing, now: datetime) -> Limit:
    """Whether it is in use, and whether it is heard."""
    if device.revoked_at is not None:
        return Limit("已停用", "calm")
    if device.created_at is None:
        return Limit("未登记", "soon")
    what = "评价" if device.channels else "办件"
    silence = device.silence(now)
    if silence < SILENT:
        return Limit("正常" if device.heard_at else f"还没有收到{what}", "calm")
    if device.heard_at is None:
        return Limit(f"登记 {silence.days} 天，从未收到{what}", "soon")
    return Limit(f"已 {silence.days} 天没有收到{what}", "soon")
