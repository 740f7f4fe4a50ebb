"""Coverage of registered windows, and of the channels that they are registered for."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.ledger.coverage import coverage
from pipeline.ledger.engine import engine
from pipeline.ledger.rate import Rate
from pipeline.settings import Settings
from tests.consumers.filling import POLICE, fill, police_case, register
from tests.harness import now, review

pytestmark = pytest.mark.system
HALL = "眉县政务大厅"


def window(settings: Settings, code: str, *channels: str, **more: Any) -> None:
    register(settings, f"T-{code}", *channels, hall_code=HALL, window_code=code, **more)


def covered(settings: Settings) -> dict[str, Rate]:
    pool = engine(settings.database, "test")
    with pool.connect() as connection:
        found = coverage(connection)
    pool.dispose()
    return found


def said(case_no: str | None = None, **fields: Any) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    return review(case_no, **{"channel": "terminal", "received_at": at} | fields)


def test_nothing_is_registered(ledger: Settings) -> None:
    found = covered(ledger)
    assert found["windows_reviewed"] == Rate(0, 0)
    assert found["channels_delivering"] == Rate(0, 0)


def test_a_window_is_covered_by_a_review_that_somebody_gave(ledger: Settings) -> None:
    for code in ("A01", "A02", "A03", "A04"):
        window(ledger, code, "terminal")
    window(ledger, "A05", "terminal", revoked_at=now())
    fill(
        ledger,
        said(window_code="A01", hall_code=HALL),
        said(window_code="A02", hall_code=HALL, channel="default"),
        said(window_code="A03", hall_code="another hall"),
        said(window_code="A05", hall_code=HALL),
    )
    assert covered(ledger)["windows_reviewed"] == Rate(1, 4)


def test_the_case_knows_better_which_window_it_was(ledger: Settings) -> None:
    window(ledger, "A06", "terminal")
    window(ledger, "A07", "terminal")
    fill(ledger, police_case("C-1"), said("C-1", window_code="A06", hall_code=HALL))
    assert covered(ledger)["windows_reviewed"] == Rate(1, 2), "the case was served at A07"
    fill(ledger, police_case("C-1", window_code="A06"), said("C-1"))
    assert covered(ledger)["windows_reviewed"] == Rate(1, 2)


def test_a_pair_of_place_and_channel_delivers_or_does_not(ledger: Settings) -> None:
    window(ledger, "A01", "terminal", "qr")
    window(ledger, "A02", "terminal")
    register(ledger, "T-A01-b", "terminal", hall_code=HALL, window_code="A01")
    register(ledger, "S-1", "pc", kind="system", dept_code=POLICE.code)
    register(ledger, "S-2", kind="system")
    long_ago = now(days=8)
    fill(
        ledger,
        said(window_code="A01", hall_code=HALL),
        said(window_code="A02", hall_code=HALL, received_at=long_ago, submitted_at=long_ago),
        said(dept_code=POLICE.code, channel="pc"),
    )
    assert covered(ledger)["channels_delivering"] == Rate(2, 4), "one place with two devices is one place"
