"""Inspection (办件质检): each rule by a case that fails it alone, and what a verdict may not depend on."""

from datetime import UTC, datetime, timedelta
from functools import partial
from timeit import repeat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.rules import inspection
from pipeline.rules.inspection import failed, in_force, is_item_code, rules
from pipeline.rules.policy import COUNTY_ZONE
from producers.simulation.county import cases
from schemas.catalogue import COUNTY, departments, towns
from schemas.codes import HandlingMode, Status
from schemas.events import CaseEvent
from schemas.identifiers import own_case_no

POLICE, TAX = departments()[:2]
SERVED = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
GOOD = CaseEvent(
    case_no="MX1",
    status=Status.COMPLETED,
    item_code=POLICE.item_code(1),
    dept_code=POLICE.code,
    handling_mode=HandlingMode.OFFLINE,
    served_at=SERVED,
    item_name="身份证补领",
    area_code=COUNTY,
    hall_code="H1",
    window_code="A03",
    staff_id="0017",
    accepted_at=SERVED - timedelta(minutes=9),
)
FOREIGN = "91350100M000100Y43"
ONLINE = HandlingMode.ONLINE


def test_a_good_case_fails_nothing() -> None:
    assert failed(GOOD) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"item_code": POLICE.item_code(POLICE.items)},
        {"item_code": POLICE.item_code(1) + "01"},
        {"area_code": ""},
        {"area_code": COUNTY + "000000"},
        {"area_code": towns()[3].area_code},
        {"area_code": towns()[3].area_code + "207"},
        {"accepted_at": SERVED},
        {"window_code": ""},
        {"hall_code": ""},
        {"handling_mode": ONLINE, "hall_code": "", "window_code": "", "staff_id": ""},
        {"promised_at": SERVED},
        {"failed_rules": ["staff_missing", "promise_broken", "a rule of somebody else"]},
    ],
)
def test_what_is_right_as_well(changes: dict[str, Any]) -> None:
    assert failed(replace(GOOD, **changes)) == ()


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"case_no": own_case_no("a row")}, ["case_no_shared"]),
    ({"item_name": ""}, ["name_missing"]),
    ({"accepted_at": None}, ["accepted_at_missing"]),
    ({"hall_code": "", "window_code": ""}, ["place_missing"]),
    ({"staff_id": ""}, ["staff_missing"]),
    ({"dept_code": "公安局"}, ["dept_malformed", "item_of_other_department"]),
    (
        {"dept_code": FOREIGN, "item_code": FOREIGN + "0" * 13},
        ["dept_unknown", "item_unknown"],
    ),
    ({"dept_code": TAX.code}, ["item_of_other_department"]),
    ({"item_code": "身份证"}, ["item_malformed"]),
    ({"item_code": POLICE.item_code(1)[:30]}, ["item_malformed"]),
    ({"item_code": POLICE.item_code(1) + "0"}, ["item_malformed"]),
    ({"item_code": POLICE.item_code(1) + "一一"}, ["item_malformed"]),
    ({"item_code": POLICE.item_code(POLICE.items + 1)}, ["item_unknown"]),
    ({"item_code": POLICE.item_code(0)}, ["item_unknown"]),
    ({"area_code": "610327"}, ["area_unknown"]),
    ({"area_code": COUNTY + "999"}, ["area_unknown"]),
    ({"area_code": COUNTY + "000001"}, ["area_unknown"]),
    ({"area_code": COUNTY + "000100"}, ["area_unknown"]),
    ({"accepted_at": SERVED + timedelta(microseconds=1)}, ["accepted_after_served"]),
    ({"failed_rules": ["repeated_in_file"]}, ["repeated_in_file"]),
    ({"failed_rules": ["promise_unclear", "repeated_in_file"]}, ["repeated_in_file", "promise_unclear"]),
    ({"failed_rules": ["promise_unclear", "promise_unclear"]}, ["promise_unclear"]),
    ({"promised_at": SERVED - timedelta(microseconds=1)}, ["promise_broken"]),
]


@pytest.mark.parametrize(("changes", "ids"), WRONG)
def test_what_is_wrong(changes: dict[str, Any], ids: list[str]) -> None:
    assert list(failed(replace(GOOD, **changes))) == ids


def test_every_rule_of_the_table_is_tested_and_every_verdict_is_in_the_table() -> None:
    tested = {rule for _, ids in WRONG for rule in ids}
    assert tested == set(rules())
    assert {rule.scope for rule in rules().values()} == {"record", "file"}
    assert {rule.severity for rule in rules().values()} == {"serious", "ordinary"}
    assert len({rule.name for rule in rules().values()}) == len(rules())


@pytest.mark.parametrize(
    ("tail", "good"), [("A" * 13, True), ("a" + "0" * 12, False), ("一" + "0" * 12, False)]
)
def test_behind_the_department_an_item_has_digits_and_capitals(tail: str, good: bool) -> None:
    assert is_item_code(POLICE.code + tail) == good


@given(st.integers(0, 17), st.sampled_from("0123456789ABCDEFGHJKLMNPQRTUWXY"))
def test_one_wrong_character_is_noticed_in_a_department_and_in_an_item(place: int, character: str) -> None:
    code = POLICE.code[:place] + character + POLICE.code[place + 1 :]
    good = code == POLICE.code
    assert is_item_code(code + "0" * 13) == good
    assert ("dept_malformed" in failed(replace(GOOD, dept_code=code))) == (not good)


@given(
    names=st.sampled_from(["", "x"]),
    codes=st.sampled_from([POLICE.code, TAX.code, FOREIGN, "EMPTY"]),
    areas=st.sampled_from(["", COUNTY, "110000"]),
    accepted=st.sampled_from([None, SERVED, SERVED + timedelta(1)]),
    modes=st.sampled_from(HandlingMode),
    promised=st.sampled_from([None, SERVED, SERVED - timedelta(1)]),
    told=st.lists(st.sampled_from([*rules(), "another"]), max_size=4),
)
def test_the_ids_come_once_and_in_the_order_of_the_table(
    names: str,
    codes: str,
    areas: str,
    accepted: datetime | None,
    modes: HandlingMode,
    promised: datetime | None,
    told: list[str],
) -> None:
    event = replace(
        GOOD,
        item_name=names,
        dept_code=codes,
        area_code=areas,
        accepted_at=accepted,
        handling_mode=modes,
        promised_at=promised,
        failed_rules=told,
    )
    ids = failed(event)
    assert list(ids) == [rule for rule in rules() if rule in ids]
    assert ids == failed(replace(event, event_id="another", received_at=SERVED, source="another"))


def test_a_service_before_a_rule_began_is_not_judged_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    midnight = datetime(2026, 11, 2, tzinfo=COUNTY_ZONE)
    table = {name: rule._replace(since=midnight.date()) for name, rule in rules().items()}
    table["staff_missing"] = table["staff_missing"]._replace(since=midnight.date() + timedelta(1))
    monkeypatch.setattr(inspection, "rules", lambda: table)
    monkeypatch.setattr(inspection, "_begins", inspection._begins.__wrapped__)
    both = ("name_missing", "staff_missing")
    assert in_force(both, midnight - timedelta(microseconds=1)) == ()
    assert in_force(both, midnight) == ("name_missing",)
    assert in_force(both, midnight + timedelta(1)) == both


def test_a_simulated_county_keeps_its_records_well() -> None:
    events = [a.event for a in cases(SERVED.date(), 1) if isinstance(a.event, CaseEvent)]
    assert len(events) > 700
    assert not [ids for event in events if (ids := failed(event))]


def test_it_is_cheap_enough_for_every_case_of_the_fold() -> None:
    """2 µs a case is what it may take; ten times that is what fails, on any machine."""
    for event in (GOOD, replace(GOOD, item_name="", dept_code="EMPTY", item_code="T01")):
        failed(event)
        best = min(repeat(partial(failed, event), number=2_000, repeat=5)) / 2_000
        assert best < 20e-6
