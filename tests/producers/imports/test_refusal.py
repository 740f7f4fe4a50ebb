"""What the contract's reader refuses, as an officer is told it: the field, and what it may say, never what it says."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from producers.imports.refusal import Refusal, refusal
from schemas.events import CaseEvent, ReviewEvent
from schemas.reading import Invalid, read
from tests.harness import case, review

AT = datetime(2026, 11, 23, 2, tzinfo=UTC)

REFUSED: list[tuple[dict[str, Any], Refusal]] = [
    (case("A", service_no=100), Refusal("service_no", "不能大于 99")),
    (case("A", service_no=0), Refusal("service_no", "不能小于 1")),
    (case("A", item_name="名" * 201), Refusal("item_name", "最多 200 个字")),
    (case("A", area_code="61"), Refusal("area_code", "内容不符合规定的格式")),
    (case(" "), Refusal("case_no", "不能为空")),
    (case(""), Refusal("case_no", "不能为空")),
    (case("A", status="void"), Refusal("status", "不是规定的取值")),
    (
        case("A", served_at="1999-01-01T00:00:00Z"),
        Refusal("served_at", "时间早于 2000 年，或比现在晚一天以上"),
    ),
    (review("A", 1, reason_codes=["115"] * 17), Refusal("reason_codes", "最多 16 个")),
    (review("A", 1, comment="长" * 2001), Refusal("comment", "最多 2000 个字")),
    (review("A", 1, comment="长" * 30_000), Refusal("", "这一行太长")),
]


@pytest.mark.parametrize(("event", "said"), REFUSED)
def test_each_rule_in_an_officers_words(event: dict[str, Any], said: Refusal) -> None:
    kind: Any = ReviewEvent if "satisfaction" in event else CaseEvent
    with pytest.raises(Invalid) as refused:
        read(kind, json.dumps(event, ensure_ascii=False).encode(), AT)
    assert refusal(refused.value) == said
