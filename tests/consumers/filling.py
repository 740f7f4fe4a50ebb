"""A ledger filled by the real fold, for pages to show. Its day is 2026-06-10, a Wednesday, 15:20 in the county."""

from datetime import UTC, datetime
from typing import Any

from pipeline.settings import Settings
from schemas.catalogue import departments
from schemas.topics import Stream
from tests.harness import case, review
from tests.ledger.test_fold import Ledger, portion_of

NOW = datetime(2026, 6, 10, 7, 20, tzinfo=UTC)
POLICE, TAX = departments()[0], departments()[1]
PHONE, NAME = "13800135678", "欧阳测试"
RUDE = "窗口说<script>alert(1)</script>，打我电话 138-0013-5678"


def clock() -> datetime:
    """The time that the pages believe in."""
    return NOW


def bad_review(
    case_no: str | None, level: int = 1, at: str = "2026-06-09T10:00:00+08:00", **more: Any
) -> Any:
    """A bad review received when it was given."""
    return review(case_no, level, submitted_at=at, received_at=at, **more)


def police_case(case_no: str, **more: Any) -> dict[str, Any]:
    """A case of the police."""
    fields = {"dept_code": POLICE.code, "item_code": POLICE.item_code(1), "item_name": "居民身份证换领"}
    served = {"served_at": "2026-06-09T09:00:00+08:00", "hall_code": "眉县政务大厅", "window_code": "A07"}
    return case(case_no, **fields, **served, staff_id="610326-0042") | more


def fill(settings: Settings, *events: dict[str, Any]) -> None:
    """Fold these events, once, into an empty ledger."""
    ledger = Ledger(settings)
    ledger.clear()
    cases = [event for event in events if "satisfaction" not in event]
    reviews = [event for event in events if "satisfaction" in event]
    ledger.fold(portion_of(Stream.CASE, 0, *cases), portion_of(Stream.REVIEW, 0, *reviews))
    ledger.connection.close()
    ledger.pool.dispose()


def county() -> list[dict[str, Any]]:
    """Four tickets: rude and overdue, orphaned, without a case, and one whose service has another, better review."""
    who: dict[str, Any] = {"reviewer": {"name": NAME, "phone": PHONE}, "real_name": True}
    tags = ["115", "113"]
    return [
        police_case("C-1"),
        bad_review("C-1", at="2026-06-01T10:00:00+08:00", comment=RUDE, reason_codes=tags, **who),
        bad_review(
            "C-2", 2, at="2026-06-04T10:00:00+08:00", dept_code=TAX.code, comment="网上办不了，跑了三趟"
        ),
        bad_review(None, 2, dept_code="999", window_code="A07", channel="terminal", reason_codes=["214"]),
        police_case("C-4"),
        bad_review("C-4", 2, at="2026-06-08T10:00:00+08:00", comment="先说不满意"),
        bad_review("C-4", 5, at="2026-06-08T11:00:00+08:00", comment="又说满意"),
    ]
