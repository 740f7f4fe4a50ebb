"""Code tables, identifiers, the catalogue: what the sources say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import COUNTY, departments, towns
from schemas.codes import BAD_LEVELS, SATISFACTION, Channel, reason_codes, reason_flags
from schemas.identifiers import (
    OWN_CASE_PREFIX,
    derived_id,
    is_area_code,
    is_uscc,
    own_case_no,
    uscc_check_digit,
    uuid7,
)


def test_the_county_has_31_departments_with_1797_items_and_8_towns() -> None:
    assert len(departments()) == 31
    assert sum(department.items for department in departments()) == 1797
    assert len(towns()) == 8
    assert all(town.area_code.startswith(COUNTY) and is_area_code(town.area_code) for town in towns())


def test_provisional_codes_are_well_formed_and_distinct() -> None:
    codes = {department.code for department in departments()}
    assert len(codes) == 31
    assert all(is_uscc(code) for code in codes)
    assert all(len(department.item_code(1)) == 31 for department in departments())


@pytest.mark.parametrize("code", ["91350100M000100Y43", "911101081020364440"])
def test_a_published_uscc_is_one(code: str) -> None:
    assert is_uscc(code[:17] + uscc_check_digit(code[:17]))
    assert is_uscc("91350100M000100Y43")


@pytest.mark.parametrize(
    "code", ["", "91350100M000100Y44", "91350100M000100Y4", "91350100I000100Y43", "x" * 18]
)
def test_what_is_no_uscc(code: str) -> None:
    assert not is_uscc(code)


def test_eight_tags_a_level_and_the_first_digit_is_the_level() -> None:
    current = [tag for tag in reason_codes().values() if not tag.retired]
    for level in SATISFACTION:
        assert sum(tag.satisfaction == level for tag in current) == 8
    assert all(tag.code[0] == str(tag.satisfaction) for tag in reason_codes().values())


@pytest.mark.parametrize(
    ("codes", "flags"),
    [
        (["115"], []),
        (["115", "510"], ["reason_level"]),
        (["102"], ["reason_retired"]),
        (["199"], ["reason_unknown"]),
        ([""], ["reason_level", "reason_unknown"]),
    ],
)
def test_odd_tags_are_flagged(codes: list[str], flags: list[str]) -> None:
    assert reason_flags(tuple(codes), 1) == tuple(flags)


def test_national_channel_codes() -> None:
    assert [channel.pf for channel in Channel] == ["1", "2", "2", "3", "4", "5", "5", "6", None, None, "7"]
    assert {1, 2} == BAD_LEVELS
    assert all(channel.label for channel in Channel)


@given(st.integers(0, 2**48 - 1))
def test_uuid7_carries_its_time_and_its_version(at_ms: int) -> None:
    made = uuid7(at_ms)
    assert made.int >> 80 == at_ms
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"


def test_derived_ids_depend_on_every_part_and_its_place() -> None:
    assert derived_id("a", 1) == derived_id("a", 1)
    assert len({derived_id("a", "bc"), derived_id("ab", "c"), derived_id("a", "b", "c")}) == 3


def test_a_case_number_of_ours_is_always_the_same_and_fits_the_contract() -> None:
    assert own_case_no("a", 1) == own_case_no("a", 1) != own_case_no("a", 2)
    assert own_case_no("a").startswith(OWN_CASE_PREFIX)
    assert len(own_case_no("a")) <= 64
