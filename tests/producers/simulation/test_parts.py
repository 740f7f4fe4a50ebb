"""The parts of a run that need no gateway: when a moment comes, what goes together, a terminal's chain, what must come of it."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from producers.cli import app
from producers.simulation.miniature import Miniature
from producers.simulation.plan import plan
from producers.simulation.step import Step, Trouble, Way
from producers.simulator.chain import Chain
from producers.simulator.connection import parse
from producers.simulator.expect import expected
from producers.simulator.lanes import IN_BATCH, Lanes, parcels
from producers.simulator.letters import event_id_in, event_id_of, from_home
from producers.simulator.report import FAST, FROM_ONE_ADDRESS, line, summary
from producers.simulator.tally import Tally, quantile
from producers.simulator.timeline import Timeline, beginning
from schemas.codes import Channel, HandlingMode, Status
from schemas.events import CaseEvent, ReviewEvent
from schemas.receipt import event_of, new_event_id, number_of

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
COUNTY = Miniature(3, NOW - timedelta(days=2), 2, 300, 2)


def review(event_id: str, case_no: str | None = "A", level: int = 5, **more: object) -> ReviewEvent:
    said: dict[str, object] = {"channel": Channel.TERMINAL} | more
    return ReviewEvent(satisfaction=level, submitted_at=NOW, event_id=event_id, case_no=case_no, **said)  # type: ignore[arg-type]  # fields by name


def case(event_id: str, case_no: str = "A", **more: object) -> CaseEvent:
    return CaseEvent(case_no, Status.COMPLETED, "i", "d", HandlingMode.OFFLINE, NOW, event_id, **more)  # type: ignore[arg-type]  # fields by name


@given(days=st.floats(0.1, 30), speed=st.one_of(st.none(), st.floats(1, 100_000)))
def test_the_simulated_time_ends_when_the_run_does_and_is_never_in_the_future(
    days: float, speed: float | None
) -> None:
    began = beginning(NOW, days, speed)
    real_end = NOW + timedelta(days=days / speed if speed else 0)
    simulated_end = began + timedelta(days=days)
    assert timedelta(0) <= real_end - simulated_end <= timedelta(seconds=1)
    assert began <= NOW


@pytest.mark.parametrize(("speed", "seconds"), [(1, 3600.0), (60, 60.0), (None, 0.0)])
def test_a_simulated_hour_lasts_as_long_as_the_speed_says(speed: float | None, seconds: float) -> None:
    clock = [100.0]
    timeline = Timeline(NOW, speed, lambda: clock[0])
    assert timeline.seconds_until(NOW + timedelta(hours=1)) == seconds
    clock[0] += seconds + 1
    assert timeline.seconds_until(NOW + timedelta(hours=1)) == 0.0


def test_parcels_are_the_plan_and_only_neighbours_of_a_batch_go_together() -> None:
    steps = list(plan(COUNTY))
    made = list(parcels(steps))
    assert [step for parcel in made for step in parcel] == steps
    assert max(len(parcel) for parcel in made) > 1
    for parcel in made:
        assert len(parcel) == 1 or {(step.way, step.sender) for step in parcel} == {
            (Way.BATCH, parcel[0].sender)
        }


def test_a_night_of_a_thousand_cases_is_several_batches() -> None:
    night = [Step(NOW, Way.BATCH, case(f"e{n}"), "dept-00") for n in range(1_000)]
    assert [len(parcel) for parcel in parcels(night)] == [IN_BATCH] * 5


def test_a_terminal_and_a_case_keep_to_one_lane_and_citizens_keep_nobody_waiting() -> None:
    lanes = Lanes(16, lambda: None)  # type: ignore[arg-type, return-value]  # nothing is delivered
    of_senders: dict[str, set[int]] = {}
    of_cases: dict[tuple[str, bool], set[int]] = {}
    citizens: set[int] = set()
    signed: set[int] = set()
    for step in plan(COUNTY):
        lane = lanes._lane(step)
        (signed if step.sender else citizens).add(lane)
        if step.way is Way.CHAIN:
            of_senders.setdefault(step.sender, set()).add(lane)
        elif step.event.case_no:
            of_cases.setdefault((step.event.case_no, bool(step.sender)), set()).add(lane)
    assert all(len(used) == 1 for used in [*of_senders.values(), *of_cases.values()])
    assert signed == set(range(12))
    assert citizens == set(range(12, 16))


def test_each_event_of_a_terminal_names_the_one_before_as_it_was_sent() -> None:
    chain = Chain()
    bodies = [chain.link(review(f"e{n}")) for n in range(3)]
    links = [msgspec.json.decode(body, type=ReviewEvent) for body in bodies]
    assert [one.device_seq for one in links] == [1, 2, 3]
    before = [sha256(body).hexdigest() for body in bodies[:-1]]
    assert [one.device_prev for one in links] == [None, *before]


def test_what_the_ledger_must_hold_follows_from_what_was_taken() -> None:
    taken: dict[str, CaseEvent | ReviewEvent] = {
        "c1": case("c1"),
        "c2": case("c2", item_name="更正"),
        "c3": case("c3", "B"),
        "r1": review("r1", level=1),
        "r2": review("r2", level=5, channel=Channel.PAPER),
        "r3": review("r3", level=5, channel=Channel.DEFAULT),
        "r4": review("r4", level=2, review_no=2, channel=Channel.SMS),
        "r5": review("r5", None, 2, channel=Channel.QR),
        "r6": review("r6", None, 5, channel=Channel.QR),
    }
    want = expected("SIM", taken, ["r1", "r9"])
    assert (want.services, want.conflicts, want.tickets) == (2, 1, 3)
    assert want.cases == ["c1", "c2", "c3"]
    assert want.reviews == ["r1", "r2", "r3", "r4"]
    assert want.standalone == ["r5", "r6"]
    assert want.unanswered == ["r9"], "what was taken in the end was answered"
    assert want.channels == {"terminal": 1, "paper": 1, "default": 1, "sms": 1, "qr": 2}


def test_totals_are_said_and_so_is_what_they_do_not_say() -> None:
    clock = [0.0]
    tally = Tally(lambda: clock[0])
    step = Step(NOW, Way.CHAIN, review("r1", level=1), "W", Trouble.AGAIN)
    for _ in range(2):
        tally.take(step, "r1")
        tally.answered(Way.CHAIN, 0.004)
    tally.refuse("already_reviewed")
    tally.again["too_many"] += 1
    clock[0] += 2
    said = summary(COUNTY, tally, fast=True)
    assert "3 events in 2.0 s" in said
    assert "reviews 1, tickets 1, conflicts 0" in said
    assert "sent twice 1" in said
    assert "refused: already_reviewed 1" in said
    assert FROM_ONE_ADDRESS in said
    assert FAST in said
    assert FAST not in summary(COUNTY, tally, fast=False)
    assert line(tally, 1.5).startswith("3 events, 2/s, p50 4.0 ms, p99 4.0 ms, refused already_reviewed 1")


@given(seconds=st.lists(st.floats(0, 100), max_size=50), share=st.floats(0, 1))
def test_a_quantile_is_a_value_that_so_many_do_not_exceed(seconds: list[float], share: float) -> None:
    value = quantile(seconds, share)
    assert value in seconds or not seconds
    assert sum(one <= value for one in seconds) >= share * len(seconds) - 1


def test_a_response_head_is_read_and_a_page_is_searched_for_its_form() -> None:
    assert parse(b"HTTP/1.1 303 See Other\r\nLocation: /r/x\r\ncontent-length: 0\r\n\r\n") == (
        303,
        {"location": "/r/x", "content-length": "0"},
    )
    page = b'<input type="hidden" name="event_id" value="019cab91-fb88-7823-a270-4b23acc1efab">'
    assert event_id_in(page) == "019cab91-fb88-7823-a270-4b23acc1efab"
    assert event_id_in(b"<p>thanks</p>") == ""
    number = number_of(new_event_id(NOW))
    assert event_id_of(f"/r/t/thanks?number={number}&before=1") == event_of(number) != ""
    assert event_id_of("/r/t") == ""


def test_citizens_have_addresses_of_their_own() -> None:
    homes = {from_home(review("e", f"A{n}"))["x-forwarded-for"] for n in range(100)}
    assert len(homes) > 95
    assert from_home(review("e", "A1")) == from_home(review("f", "A1"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--speed", "0.5"], "1 or a number above it, or max"),
        (["--speed", "fast"], "1 or a number above it, or max"),
        (["--until", "2999-01-01T00:00:00"], "nothing may be sent from the future"),
        (["--check", __file__], "is no file of --expect"),
    ],
)
def test_what_cannot_be_ordered_is_said(words: list[str], said: str) -> None:
    answer = CliRunner().invoke(app, ["simulate", *words])
    assert answer.exit_code == 2
    assert said in " ".join(answer.output.replace("│", " ").split())
