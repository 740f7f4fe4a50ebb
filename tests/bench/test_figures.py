"""The bench's own arithmetic, without servers."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.figures import Figure, Wrong, number, percentile, rate, ratio, steady
from tests.bench.report import cells, markdown, save

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1)
CURVE = [(0.0, 0), (2.0, 100), (3.0, 500), (4.0, 900), (6.0, 1_000)]


def test_percentiles_are_nearest_ranks() -> None:
    values = list(range(200, 0, -1))
    assert [percentile(values, share) for share in (0.5, 0.99, 1.0)] == [100, 198, 200]


@given(VALUES, st.floats(0, 1))
def test_a_percentile_is_a_value_that_its_share_does_not_exceed(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_the_rate_leaves_out_the_start_and_what_was_folded_when_first_seen() -> None:
    assert rate(CURVE) == 900 / 4.0
    assert rate(CURVE, 400, 900) == 400 / 1.0


def test_the_steady_rate_leaves_out_both_ends() -> None:
    assert steady(CURVE) == 800 / 2.0


def test_a_run_that_is_seen_once_only_has_no_rate() -> None:
    with pytest.raises(Wrong, match="more events"):
        rate([(0.0, 0), (1.0, 50)])


def test_spread_is_a_share_of_the_median() -> None:
    assert Figure("x", "s", (90.0, 100.0, 120.0)).spread == pytest.approx(0.3)
    assert Figure("x", "s", (90.0,)).spread == 0


def test_a_limit_holds_for_every_repetition() -> None:
    assert Figure("x", "MB", (390.0, 401.0), limit=400).too_much
    assert not Figure("x", "MB", (390.0, 400.0), limit=400).too_much


def test_a_ratio_is_one_of_medians() -> None:
    over, under = Figure("a", "s", (10.0, 20.0, 90.0)), Figure("b", "s", (8.0,))
    assert ratio("a ÷ b", over, under).values == (2.5,)


@pytest.mark.parametrize(
    ("value", "words"), [(41_500.4, "41,500"), (12.34, "12.3"), (0.284, "0.28"), (99.96, "100.0")]
)
def test_numbers_show_three_digits_that_matter(value: float, words: str) -> None:
    assert number(value) == words


def test_a_row_shows_median_spread_and_limit() -> None:
    row = cells(Figure("memory", "MB", (300.0, 410.0, 320.0), "one worker", 400))
    assert row == ["memory", "MB", "320", "300", "410", "34%", "3", "limit 400: EXCEEDED; one worker"]


def test_markdown_has_a_cell_for_every_column() -> None:
    lines = markdown([Figure("a", "s", (1.0,)), Figure("b", "s", (1.0, 2.0))]).splitlines()
    assert {line.count("|") for line in lines} == {9}


def test_everything_that_was_measured_is_kept(tmp_path: Path) -> None:
    figure = Figure("a", "s", (1.0, 2.0), details={"curve": [(0.0, 1)]})
    kept = json.loads(save(tmp_path, {"cores": 2}, [figure], ["b: wrong"]).read_text())
    assert kept["machine"] == {"cores": 2}
    assert kept["wrong"] == ["b: wrong"]
    assert kept["figures"][0]["values"] == [1.0, 2.0]
    assert kept["figures"][0]["details"] == {"curve": [[0.0, 1]]}
