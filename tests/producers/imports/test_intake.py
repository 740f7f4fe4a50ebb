"""Where each row goes: published, the same again, refused; what the inspection says of it; numbers that strangers share."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.seal_keys import Seal
from pipeline.sealing import Sealer
from producers.errors import CannotImportError
from producers.imports.ahead import Ahead, look_ahead
from producers.imports.identity import sealer_of
from producers.imports.inspecting import REPEATED
from producers.imports.intake import Counts, Intake, lists
from producers.imports.kinds import Event
from producers.imports.known import load
from producers.imports.listing import HIDDEN
from producers.placeholders import ClaimedReview
from schemas.events import CaseEvent, ReviewEvent
from schemas.identifiers import OWN_CASE_PREFIX
from tests.conftest import MONTHS, SEAL_KEY
from tests.producers.imports.test_sources import BY_SERVICE, COMPACT, ONE_NUMBER, PROVINCE, REPORTED

AT = datetime(2026, 11, 23, 2, tzinfo=UTC)
SEAL = Seal.model_validate({"current": "k", "keys": {"k": SEAL_KEY}, "months": MONTHS})
Rows = list[dict[str, str]]


def taken(
    folder: Path, source: str, rows: Rows, shared: frozenset[str] | None = None
) -> tuple[list[Event | None], Intake]:
    mapping = load(source)
    numbered = list(enumerate(rows, start=2))
    ahead = look_ahead(mapping, numbered) if shared is None else Ahead(shared)
    with lists(folder, "rows", mapping) as listed:
        intake = Intake(mapping, listed, AT, ahead=ahead, sealer=Sealer(SEAL))
        events = [intake.take(*row) for row in mapping.numbered(numbered)]
    return events, intake


def listed(folder: Path, which: str) -> list[dict[str, str]]:
    text = (folder / f"rows.{which}.csv").read_text(encoding="utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


def test_the_same_row_again_is_not_sent_again_and_said(tmp_path: Path) -> None:
    other = PROVINCE | {"projectNo": "2"}
    events, intake = taken(tmp_path, "province-cases", [PROVINCE, other, PROVINCE])
    assert [event is None for event in events] == [False, False, True]
    assert intake.counts == Counts(rows=3, mapped=2, repeated=1)
    assert [(row["行号"], row["问题"]) for row in listed(tmp_path, "remarks")] == [
        ("4", "与前面的行相同，不再发送")
    ]


def test_the_inspection_is_told_by_rule_and_row(tmp_path: Path) -> None:
    rows = [
        PROVINCE,
        PROVINCE | {"taskName": "更正"},
        PROVINCE | {"projectNo": "2", "serviceTime": "2026-11-04 09:00:00", "areaCode": "110000"},
        PROVINCE | {"projectNo": "3", "deptCode": "x"},
    ]
    _, intake = taken(tmp_path, "province-cases", rows)
    summary = intake.inspection.summary()
    assert (summary.cases, summary.passed) == (4, 0)
    assert dict(summary.failures) == {
        "dept_malformed": 1,
        "item_of_other_department": 1,
        "area_unknown": 1,
        REPEATED: 2,
        "promise_broken": 1,
    }
    assert summary.lines()[0] == "inspection (办件质检): 0.0% pass (0/4)"
    assert "  area_unknown 区划代码不属于本县: 1" in summary.lines()
    remarks = {row["行号"]: row["问题"] for row in listed(tmp_path, "remarks")}
    assert list(remarks) == ["2", "3", "4", "5"]
    assert remarks["4"] == "区划代码不属于本县（area_unknown）；超过承诺的办结时间（promise_broken）"


def test_one_number_for_many_is_found_and_each_case_gets_its_own(tmp_path: Path) -> None:
    strangers = [
        COMPACT | {"SBLSH": "1", "SLSJ": f"202611020{hour}0000", "SXMC": str(hour)} for hour in range(1, 4)
    ]
    events, intake = taken(tmp_path, "compact-times", [*strangers, COMPACT])
    numbers = [event.case_no for event in events if event]
    assert len({*numbers}) == 4
    assert numbers[3] == COMPACT["SBLSH"]
    assert all(number and number.startswith(OWN_CASE_PREFIX) for number in numbers[:3])
    assert intake.counts.shared == 3
    assert dict(intake.inspection.summary().failures)["case_no_shared"] == 3


def test_a_case_that_was_corrected_keeps_its_number(tmp_path: Path) -> None:
    versions = [COMPACT, COMPACT | {"SXMC": "一"}, COMPACT | {"SLSJ": "20261102085900"}]
    events, intake = taken(tmp_path, "compact-times", versions)
    assert {event.case_no for event in events if event} == {COMPACT["SBLSH"]}
    assert intake.counts.shared == 0


def test_reviews_under_a_number_of_many_are_joined_to_nobody(tmp_path: Path) -> None:
    strangers = [BY_SERVICE | {"projectNo": "9", "windowNo": window} for window in "ABC"]
    placeholder = BY_SERVICE | {"projectNo": "无"}
    events, intake = taken(tmp_path, "reviews-by-service", [*strangers, placeholder, BY_SERVICE])
    assert [event and event.case_no for event in events] == [None, None, None, None, "B1"]
    assert len({event.event_id for event in events if event}) == 5
    assert intake.counts.shared == 4
    assert [row["行号"] for row in listed(tmp_path, "remarks")] == ["2", "3", "4", "5"]
    claims = [event.claimed_case_no for event in events if isinstance(event, ClaimedReview)]
    assert claims == ["9", "9", "9", "无"]
    assert not isinstance(events[-1], ClaimedReview)


@pytest.mark.parametrize("typed", ["０００００００００００0", "\u200b000000000000", " 000000000000 "])
def test_a_placeholder_is_known_however_it_is_typed(tmp_path: Path, typed: str) -> None:
    (event,), intake = taken(tmp_path, "reviews-by-service", [BY_SERVICE | {"projectNo": typed}])
    assert isinstance(event, ClaimedReview)
    assert (event.case_no, event.service_no, event.claimed_case_no) == (None, 1, typed.strip())
    (told,), _ = taken(tmp_path, "one-number", [ONE_NUMBER | {"办件编号": typed}])
    assert told
    assert (told.case_no or "").startswith(OWN_CASE_PREFIX)
    assert intake.counts.shared == 1


def test_one_citizen_who_reviews_again_and_again_is_no_stranger(tmp_path: Path) -> None:
    reviews = [BY_SERVICE | {"assessTime": f"2026110209400{second}"} for second in range(5)]
    events, _ = taken(tmp_path, "reviews-by-service", reviews)
    assert {event.case_no for event in events if event} == {"B1"}


def test_an_identity_is_sealed_before_it_goes_anywhere_and_stands_in_no_list(tmp_path: Path) -> None:
    bad = REPORTED | {"satisfaction": "9"}
    (event, _, _), _ = taken(tmp_path, "province-reviews", [REPORTED, bad, REPORTED])
    assert isinstance(event, ReviewEvent)
    assert isinstance(event.reviewer, str)
    opened = Sealer(SEAL).open_reviewer(str(event.event_id), event.reviewer)
    assert (opened.name, opened.id_number) == (REPORTED["userName"], REPORTED["certkeyGOV"])
    assert event.reviewer_mark == Sealer(SEAL).mark(REPORTED["certkeyGOV"])
    for file in tmp_path.iterdir():
        text = file.read_text(encoding="utf-8-sig")
        assert HIDDEN in text
        assert REPORTED["userName"] not in text
        assert REPORTED["certkeyGOV"] not in text


def test_without_a_key_no_identity_is_read() -> None:
    with pytest.raises(CannotImportError, match="no reviewer's identity is imported"):
        sealer_of(Seal())


cells = st.fixed_dictionaries(
    {
        "办件编号": st.sampled_from(["A", "B", "无", "", "9"]),
        "工号": st.sampled_from(["1", "2"]),
        "叫号时间": st.sampled_from(
            ["2026-11-02 09:00:00", "2026-11-02 09:10:00", "2026-11-02 09:20:00", "x"]
        ),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(cells, max_size=12).flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_whatever_the_order_each_row_is_counted_once_and_the_events_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, both: tuple[Rows, Rows]
) -> None:
    seen: list[Any] = []
    for rows in both:
        folder = tmp_path_factory.mktemp("intake")
        events, intake = taken(folder, "one-number", [ONE_NUMBER | row for row in rows])
        counts = intake.counts
        assert counts.rows == counts.mapped + counts.repeated + counts.unmapped == len(rows)
        sent = [event for event in events if isinstance(event, CaseEvent)]
        assert len(sent) == counts.mapped == intake.inspection.summary().cases
        assert len({event.event_id for event in sent}) == len(sent)
        seen.append((counts, sorted((str(e.event_id), e.case_no, e.accepted_at, e.staff_id) for e in sent)))
    assert seen[0] == seen[1]
