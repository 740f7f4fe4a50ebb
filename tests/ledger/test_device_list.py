"""Devices as people look after them: what each asks of a person, and in which order."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger.device_chains import DeviceChain
from pipeline.ledger.device_list import SILENT, Need, Standing, devices, faults, needs
from pipeline.ledger.engine import engine
from pipeline.settings import Settings
from tests.consumers.filling import NOW, counted, fill, police_case, register, terminals

LONG_AGO = NOW - timedelta(days=90)


def listed(settings: Settings) -> list[Standing]:
    pool = engine(settings.database, "test")
    with pool.connect() as connection:
        found = devices(connection, NOW)
    pool.dispose()
    return found


@pytest.mark.system
def test_what_needs_a_person_comes_first(ledger: Settings) -> None:
    terminals(ledger)
    found = listed(ledger)
    assert [(one.device_id, one.need(NOW)) for one in found] == [
        ("T-A01", Need.BROKEN),
        ("T-A02", Need.MISSING),
        ("S-TAX", Need.SILENT),
        ("T-A05", Need.SILENT),
        ("T-A03", Need.SILENT),
        ("Z-9", Need.UNREGISTERED),
        ("T-A04", Need.NOTHING),
        ("T-A09", Need.REVOKED),
    ]
    assert faults(found) == {"missing": 6, "forked": 2, "unlinked": 0}, "a revoked device's are done with"
    assert sum(needs(found, NOW).values()) == len(found)
    assert needs(found, NOW)["silent"] == 3


@pytest.mark.system
def test_a_system_is_heard_when_its_cases_come(ledger: Settings) -> None:
    register(ledger, "S-1", kind="system")
    fill(ledger, police_case("C-1", source="S-1", received_at="2026-06-09T10:00:00+08:00"))
    (one,) = listed(ledger)
    assert one.need(NOW) is Need.NOTHING
    assert one.heard_at == datetime(2026, 6, 9, 2, tzinfo=UTC)


@pytest.mark.system
def test_a_stranger_is_listed_with_the_channels_and_the_place_that_it_claims(ledger: Settings) -> None:
    fill(ledger, *counted("Z-1", 1, 2, hall_code="H", window_code="W"))
    (one,) = listed(ledger)
    assert (one.kind, one.channels, one.hall_code, one.window_code) == ("", ("terminal",), "H", "W")
    assert one.need(NOW) is Need.UNREGISTERED


@given(st.timedeltas(timedelta(), timedelta(days=60)), st.booleans(), st.booleans())
def test_silence_counts_from_the_last_record_or_from_registration(
    since: timedelta, heard: bool, revoked: bool
) -> None:
    at = NOW - since
    created, last = (LONG_AGO, at) if heard else (at, None)
    one = Standing("D", "terminal", "", ("qr",), "", "", "", created, NOW if revoked else None, last, None)
    assert one.silence(NOW) == since
    assert (one.need(NOW) is Need.SILENT) == (since >= SILENT and not revoked)


@given(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))
def test_a_broken_chain_goes_before_a_missing_number(missing: int, forks: int, unlinked: int) -> None:
    chain = DeviceChain("D", 9, LONG_AGO, missing, forks, unlinked, "", "")
    one = Standing("D", "terminal", "", ("qr",), "", "", "", LONG_AGO, None, LONG_AGO, chain)
    expected = Need.BROKEN if forks or unlinked else Need.MISSING if missing else Need.SILENT
    assert one.need(NOW) is expected
