"""The plan of a county in miniature: the same for the same seed, in order, of a real county's shares, all that goes wrong in it."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.rules.policy import COUNTY_ZONE
from producers.simulation.halls import MOST_HALLS, halls
from producers.simulation.hours import is_open, is_workday
from producers.simulation.miniature import Miniature
from producers.simulation.plan import plan, reinstalled
from producers.simulation.senders import PLATFORM, senders
from producers.simulation.services import services
from producers.simulation.step import Step, Trouble, Way
from producers.simulation.voices import WAYS
from schemas.catalogue import departments
from schemas.codes import BAD_LEVELS, Channel, HandlingMode
from schemas.events import CaseEvent, ReviewEvent
from schemas.reading import Received, read

MONDAY = datetime(2026, 3, 2, tzinfo=COUNTY_ZONE)
"""A week of five workdays."""
COUNTY = Miniature(seed=7, began=MONDAY, days=7, rate=1_200, halls=MOST_HALLS)
NATIONAL = {
    "hall terminal": ({Channel.TERMINAL, Channel.KIOSK}, 0.40),
    "mobile": ({Channel.APP, Channel.MINI_PROGRAM, Channel.QR, Channel.SMS}, 0.26),
    "web": ({Channel.PC}, 0.18),
    "hall tablet": ({Channel.HALL_TABLET}, 0.16),
    "paper": ({Channel.PAPER}, 0.02),
}
counties = st.builds(
    Miniature,
    seed=st.integers(0, 10_000),
    began=st.datetimes(datetime(2024, 1, 1), datetime(2027, 6, 1)).map(
        lambda at: at.replace(microsecond=0, tzinfo=UTC)
    ),
    days=st.floats(0.2, 4),
    rate=st.integers(1, 60),
    halls=st.integers(1, MOST_HALLS),
    bad=st.floats(0, 1),
)


@pytest.fixture(scope="module")
def steps() -> list[Step]:
    return list(plan(COUNTY))


def cases(steps: list[Step]) -> list[CaseEvent]:
    return [step.event for step in steps if isinstance(step.event, CaseEvent)]


def reviews(steps: list[Step], *, real: bool = True) -> list[ReviewEvent]:
    said = [step.event for step in steps if isinstance(step.event, ReviewEvent)]
    return [one for one in said if not real or one.channel is not Channel.DEFAULT]


@given(county=counties)
@settings(max_examples=25, deadline=None)
def test_any_county_is_the_same_again_in_order_and_within_its_time(county: Miniature) -> None:
    steps = list(plan(county))
    assert steps == list(plan(county))
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    for step in steps:
        assert county.began <= step.occurred <= step.at < county.until
    known = {device.device_id: device for device in senders(county)}
    assert {step.sender for step in steps} <= {*known, ""}
    for step in steps:
        assert (step.way in {Way.TOKEN, Way.FORM}) == (not step.sender)


@given(county=counties)
@settings(max_examples=25, deadline=None)
def test_in_any_county_windows_are_open_when_they_serve(county: Miniature) -> None:
    for service in services(county):
        if service.handling_mode is HandlingMode.OFFLINE:
            assert is_open(service.served_at)
            assert service.window_code in {w for hall in halls(county.halls) for w in hall.window_codes}
        else:
            assert not service.hall_code


@given(county=counties)
@settings(max_examples=25, deadline=None)
def test_in_any_county_only_a_second_judgement_stands_beside_a_first(county: Miniature) -> None:
    said: dict[tuple[object, ...], list[Trouble]] = defaultdict(list)
    for step in plan(county):
        event = step.event
        if isinstance(event, ReviewEvent) and event.case_no and event.channel is not Channel.DEFAULT:
            said[event.case_no, event.service_no, event.review_no].append(step.trouble)
    for troubles in said.values():
        assert sum(trouble is not Trouble.CONTESTED for trouble in troubles) <= 1


def test_another_seed_and_another_beginning_are_another_county(steps: list[Step]) -> None:
    ids = {str(step.event.event_id) for step in steps}
    for other in (COUNTY._replace(seed=8), COUNTY._replace(began=MONDAY + timedelta(seconds=1))):
        assert other.name != COUNTY.name
        assert ids.isdisjoint(str(step.event.event_id) for step in plan(other._replace(days=1)))


def test_channels_have_the_shares_of_a_real_county(steps: list[Step]) -> None:
    counted = Counter(event.channel for event in reviews(steps))
    total = sum(counted.values())
    assert total > 5_000
    for name, (channels, share) in NATIONAL.items():
        assert sum(counted[one] for one in channels) / total == pytest.approx(share, abs=0.03), name
    assert set(counted) == {channel for channels, _ in NATIONAL.values() for channel in channels}


@pytest.mark.parametrize("bad", [0.02, 0.3])
def test_so_many_are_bad_as_were_ordered(bad: float) -> None:
    first = [r for r in reviews(list(plan(COUNTY._replace(bad=bad)))) if r.review_no == 1]
    share = sum(r.satisfaction in BAD_LEVELS for r in first) / len(first)
    assert share == pytest.approx(bad, rel=0.25)


def test_a_day_off_is_quiet_and_online(steps: list[Step]) -> None:
    given = Counter(
        (case.served_at.astimezone(COUNTY_ZONE).date(), case.handling_mode)
        for case in cases(steps)
        if not case.item_name.endswith("（更正）")
    )
    sunday, tuesday = date(2026, 3, 8), date(2026, 3, 3)
    assert not is_workday(sunday)
    assert given[sunday, HandlingMode.OFFLINE] == 0
    assert 0 < given[sunday, HandlingMode.ONLINE] < given[tuesday, HandlingMode.ONLINE]


def test_everything_goes_wrong_somewhere(steps: list[Step]) -> None:
    met = Counter(step.trouble for step in steps)
    assert set(met) == set(Trouble)
    assert met[Trouble.REINSTALLED] == 1
    assert met[Trouble.NONE] > 0.85 * len(steps)


def test_defaults_stand_only_where_nobody_said_anything(steps: list[Step]) -> None:
    real = {(r.case_no, r.service_no) for r in reviews(steps)}
    defaults = [step for step in steps if _is_default(step)]
    assert defaults
    for step in defaults:
        assert isinstance(step.event, ReviewEvent)
        assert (step.event.case_no, step.event.service_no) not in real
        assert step.sender == PLATFORM


def _is_default(step: Step) -> bool:
    return isinstance(step.event, ReviewEvent) and step.event.channel is Channel.DEFAULT


def test_a_terminal_that_was_offline_sends_all_at_once_in_its_own_order(steps: list[Step]) -> None:
    bursts: dict[tuple[str, datetime], list[datetime]] = defaultdict(list)
    for step in steps:
        if step.trouble is Trouble.OFFLINE:
            bursts[step.sender, step.at].append(step.occurred)
    assert max(len(said) for said in bursts.values()) > 1
    for (_, back), said in bursts.items():
        assert said == sorted(said)
        assert all(at < back for at in said)


def test_late_departments_come_hours_to_days_after_the_night(steps: list[Step]) -> None:
    delays = [step.at - step.occurred for step in steps if step.trouble is Trouble.LATE]
    assert min(delays) > timedelta(hours=6)
    assert max(delays) > timedelta(days=2)


def test_every_sender_speaks_for_its_own_channel_and_place(steps: list[Step]) -> None:
    known = {device.device_id: device for device in senders(COUNTY)}
    for step in steps:
        if not step.sender:
            continue
        device, event = known[step.sender], step.event
        if isinstance(event, ReviewEvent):
            assert event.channel in device.channels
        for field in ("dept_code", "hall_code", "window_code"):
            own = getattr(device, field)
            assert own in {"", getattr(event, field)}


def test_ways_are_those_of_the_channels(steps: list[Step]) -> None:
    for step in steps:
        event = step.event
        if isinstance(event, ReviewEvent) and event.case_no and event.channel is not Channel.DEFAULT:
            assert step.way is WAYS[event.channel]
    assert {step.way for step in steps if _of_place(step)} == {Way.TOKEN, Way.FORM}


def _of_place(step: Step) -> bool:
    return isinstance(step.event, ReviewEvent) and step.event.case_no is None


def test_events_are_valid_and_of_the_catalogue(steps: list[Step]) -> None:
    codes = {department.code: department for department in departments()}
    for step in steps:
        event = step.event
        kind: Any = type(event)
        got: Received[Any] = read(kind, msgspec.json.encode(event), datetime.now(UTC))
        assert got.event == event
        if isinstance(event, CaseEvent):
            assert event.dept_code in codes
    assert len({case.dept_code for case in cases(steps)}) == len(codes)


def test_the_reinstalled_terminal_is_a_window_with_reviews_on_both_sides(steps: list[Step]) -> None:
    of_it = [step for step in steps if step.sender == reinstalled(COUNTY)]
    place = next(n for n, step in enumerate(of_it) if step.trouble is Trouble.REINSTALLED)
    assert 0 < place < len(of_it) - 1
