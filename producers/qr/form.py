"""The form: what a citizen typed, what is wrong with it, and the review that comes of it. Pure."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import NamedTuple

from producers.qr.identity import id_number
from producers.tokens import CaseToken, Claims
from schemas.codes import SATISFACTION, ReasonCode, reason_codes
from schemas.events import Reviewer, ReviewEvent
from schemas.phone import phone
from schemas.receipt import new_event_id, number_of

MAX_COMMENT = 2_000
"""The contract's."""
MAX_NAME = 64
LEVELS = {str(level): level for level in SATISFACTION}


class Typed(NamedTuple):
    """A form as it was typed: shown again whenever it could not be taken. `level` is 0 while none is chosen."""

    event_id: str
    review_no: int = 1
    level: int = 0
    reasons: tuple[str, ...] = ()
    comment: str = ""
    name: str = ""
    phone: str = ""
    id_number: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, list[str]], now: datetime) -> "Typed":
        """From a form's fields, whatever they are. Reasons of another level, retired ones, unknown ones fall away."""
        first = {name: values[0] for name, values in fields.items() if values}
        level = LEVELS.get(first.get("level", ""), 0)
        offered = [reason.code for reason in reasons_offered().get(level, ())]
        event_id = first.get("event_id", "")
        return cls(
            event_id if number_of(event_id) else new_event_id(now),
            2 if first.get("review_no") == "2" else 1,
            level,
            tuple(code for code in offered if code in fields.get("reasons", ())),
            first.get("comment", "").replace("\r\n", "\n"),
            *(first.get(name, "").strip() for name in ("name", "phone", "id_number")),
        )

    @property
    def is_named(self) -> bool:
        """Whether any of the identity was typed."""
        return bool(self.name or self.phone or self.id_number)


@cache
def reasons_offered() -> dict[int, tuple[ReasonCode, ...]]:
    """The national tags by level, retired ones left out."""
    current = [reason for reason in reason_codes().values() if not reason.retired]
    return {level: tuple(r for r in current if r.satisfaction == level) for level in SATISFACTION}


def mistakes(typed: Typed) -> dict[str, str]:
    """What has to be mended before it can be taken: field → what to do, in the order of the page."""
    found = {
        "level": "" if typed.level else "请选择您的满意程度",
        "comment": _too_long(typed.comment, MAX_COMMENT),
        "name": _too_long(typed.name, MAX_NAME),
        "phone": "" if not typed.phone or phone(typed.phone) else _PHONE,
        "id_number": "" if not typed.id_number or id_number(typed.id_number) else _ID_NUMBER,
    }
    return {field: words for field, words in found.items() if words}


_PHONE = "请核对电话号码：手机号为 11 位数字，固定电话请加区号；也可以不填"
_ID_NUMBER = "请核对身份证号码：共 18 位，最后一位可能是字母 X；也可以不填"


def review(typed: Typed, claims: Claims, now: datetime) -> ReviewEvent:
    """The review of a form without mistakes, submitted now."""
    reviewer = Reviewer(typed.name, phone(typed.phone), id_number(typed.id_number) or "")
    return ReviewEvent(
        satisfaction=typed.level,
        channel=claims.channel,
        submitted_at=now,
        event_id=typed.event_id,
        review_no=typed.review_no if isinstance(claims, CaseToken) else 1,
        reason_codes=list(typed.reasons),
        comment=typed.comment,
        real_name=bool(reviewer.phone or reviewer.id_number),
        reviewer=reviewer if typed.is_named else None,
        **claims.fields(),
    )


def _too_long(text: str, most: int) -> str:
    return f"最多 {most} 个字，现在有 {len(text)} 个字，请删减" if len(text) > most else ""
