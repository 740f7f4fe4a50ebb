"""The code tables of the field (`domain.md`, 2), each a Python enumeration or a table read from package data."""

import csv
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple


class Channel(StrEnum):
    """Where a review was given (评价渠道)."""

    PC = "pc"
    APP = "app"
    MINI_PROGRAM = "mini_program"
    QR = "qr"
    HALL_TABLET = "hall_tablet"
    TERMINAL = "terminal"
    KIOSK = "kiosk"
    SMS = "sms"
    PAPER = "paper"
    HOTLINE = "hotline"
    DEFAULT = "default"

    @property
    def pf(self) -> str | None:
        """The national channel code; None for a channel that only this county knows."""
        return _PF.get(self)

    @property
    def label(self) -> str:
        """The Chinese name, for people."""
        return _CHANNEL_LABELS[self]


_PF = {
    Channel.PC: "1",
    Channel.APP: "2",
    Channel.MINI_PROGRAM: "2",
    Channel.QR: "3",
    Channel.HALL_TABLET: "4",
    Channel.TERMINAL: "5",
    Channel.KIOSK: "5",
    Channel.SMS: "6",
    Channel.DEFAULT: "7",
}
_CHANNEL_LABELS = {
    Channel.PC: "电脑网页",
    Channel.APP: "手机应用",
    Channel.MINI_PROGRAM: "小程序",
    Channel.QR: "二维码",
    Channel.HALL_TABLET: "大厅平板",
    Channel.TERMINAL: "窗口评价器",
    Channel.KIOSK: "自助终端",
    Channel.SMS: "短信",
    Channel.PAPER: "纸质评价表",
    Channel.HOTLINE: "12345热线",
    Channel.DEFAULT: "系统默认评价",
}


class HandlingMode(StrEnum):
    """How the case was handled (办件渠道); the review rate is measured apart for each (D5)."""

    ONLINE = "online"
    OFFLINE = "offline"

    @property
    def label(self) -> str:
        """The Chinese name, for people."""
        return {"online": "线上", "offline": "线下"}[self]


class Status(StrEnum):
    """The state of a case (办件状态, proStatus 1, 2, 3)."""

    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


SATISFACTION = {5: "非常满意", 4: "满意", 3: "基本满意", 2: "不满意", 1: "非常不满意"}
"""Level → label (满意度)."""

BAD_LEVELS = frozenset({1, 2})
"""差评: the levels that open a ticket. The good rate counts 3 to 5."""


class ReasonCode(NamedTuple):
    """One national review tag (评价标签)."""

    code: str
    satisfaction: int
    text: str
    retired: bool


@cache
def reason_codes() -> dict[str, ReasonCode]:
    """All known tags by code: 8 for each of 5 levels, and the retired ones that still come in."""
    tables = (("reason_codes.csv", False), ("retired_reason_codes.csv", True))
    return {
        row["code"]: ReasonCode(row["code"], int(row["satisfaction"]), row["text"], retired)
        for name, retired in tables
        for row in read_csv(name)
    }


@lru_cache(maxsize=4096)
def reason_flags(codes: tuple[str, ...], satisfaction: int) -> tuple[str, ...]:
    """What is odd about the tags of a review of this level; a review is stored whatever they are.

    Returns a subset of `reason_unknown`, `reason_retired`, `reason_level`.
    """
    if not codes:
        return ()
    known = reason_codes()
    flags = set()
    for code in codes:
        tag = known.get(code)
        if tag is None:
            flags.add("reason_unknown")
        elif tag.retired:
            flags.add("reason_retired")
        if not code.startswith(str(satisfaction)):
            flags.add("reason_level")
    return tuple(sorted(flags))


def read_csv(name: str) -> list[dict[str, str]]:
    """The rows of a table of our package data."""
    text = (files("schemas") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
