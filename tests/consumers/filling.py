"""A ledger filled by the real fold, for pages to show. Its day is 2026-06-10, a Wednesday, 15:20 in the county."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import insert

from pipeline.ledger.engine import engine
from pipeline.ledger.office_tables import device
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


def add(
    settings: Settings, stream: Stream, start: int, *events: dict[str, Any], sender: str = "/test"
) -> None:
    """Fold these cases, or these reviews, of one sender after so many others."""
    ledger = Ledger(settings)
    ledger.fold(portion_of(stream, start, *events, sender=sender))
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


def register(settings: Settings, device_id: str, *channels: str, **columns: Any) -> None:
    """A device of the office's register, a month old unless said."""
    row: dict[str, Any] = {"kind": "terminal", "created_at": "2026-05-10T09:00:00+08:00"} | columns
    pool = engine(settings.database, "test")
    with pool.begin() as connection:
        values = {"device_id": device_id, "channels": list(channels), **row}
        connection.execute(insert(device).values(**values))
    pool.dispose()


def counted(device_id: str, *numbers: int, at: str = "2026-06-09T10:00:00+08:00", **more: Any) -> list[Any]:
    """What a device sent under these numbers, each naming the one before as a whole chain would."""
    sent = {n: review(None, 5, submitted_at=at, received_at=at, channel="terminal", **more) for n in numbers}
    for n, event in sorted(sent.items()):
        event.update(device_id=device_id, device_seq=n)
        if n > 1:
            event["device_prev"] = digest(sent[n - 1]) if n - 1 in sent else "0" * 64
    return list(sent.values())


def digest(event: dict[str, Any]) -> str:
    """As the ledger knows an event that was sent as it is."""
    return sha256(json.dumps(event).encode()).hexdigest()


def terminals(settings: Settings) -> None:
    """Devices of every need: reinstalled, with numbers missing, silent, unregistered, in order, revoked."""
    place = {"dept_code": POLICE.code, "hall_code": "眉县政务大厅"}
    for n in range(1, 6):
        register(settings, f"T-A0{n}", "terminal", name=f"A0{n} 窗口评价器", window_code=f"A0{n}", **place)
    register(
        settings, "T-A09", "terminal", window_code="A09", revoked_at="2026-06-01T09:00:00+08:00", **place
    )
    register(settings, "S-TAX", "pc", "app", kind="system", name="税务局办税系统", dept_code=TAX.code)
    a, b = counted("T-A01", 1, 2, 3), counted("T-A01", 1, 2, at="2026-06-10T09:00:00+08:00")
    strange = counted("Z-9", 1, 2, window_code="B01")
    old = counted("T-A03", 1, 2, at="2026-06-01T10:00:00+08:00")
    lost = counted("T-A02", 1, 2, 3, 7, 8, 12)
    revoked = counted("T-A09", 4)
    fill(settings, *a, *b, *lost, *old, *counted("T-A04", 1, 2, 3), *strange, *revoked)


def inspected() -> list[dict[str, Any]]:
    """Cases of the day before: nine of the police pass and three do not, one of the tax office fails two rules."""
    whole = {"accepted_at": "2026-06-09T08:30:00+08:00"}
    good = [police_case(f"C-{n}", **whole) for n in range(9)]
    nameless = [police_case(f"N-{n}", **whole, item_name="") for n in range(2)]
    twisted = police_case("T-1", accepted_at="2026-06-09T09:30:00+08:00")
    tax = {"dept_code": TAX.code, "item_code": TAX.item_code(3), "item_name": "", "staff_id": ""}
    return [*good, *nameless, twisted, police_case("X-1", **whole, **tax)]
