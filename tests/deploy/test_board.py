"""The board: each query finds something in a full scrape, by names and labels that there are, and is told in Chinese."""

import itertools
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumers.report import TERMS
from pipeline import metrics
from pipeline.ledger.device_list import FAULTS
from pipeline.metrics import COMPUTED
from pipeline.rules.inspection import rules
from pipeline.rules.records import Fate
from schemas.codes import Channel, HandlingMode
from schemas.events import REASONS
from schemas.tickets import State
from tests.deploy.queries import GRAFANA, PROMETHEUS, Query, judge, metrics_in, of_alerts, of_board, panels
from tests.deploy.scrape import (
    COVERAGE,
    NEEDS,
    OUTCOMES,
    SERVICES,
    County,
    exporter_series,
    names,
    worker_series,
)

UNUSED = {
    "hcp_log_start_offset": "lag is made of these three; `hcp positions list` shows them",
    "hcp_log_end_offset": "see above",
    "hcp_ledger_position": "see above",
    "hcp_worker_last_fold_timestamp_seconds": "on a quiet night nothing is folded; lag says what is wrong",
}
"""Metrics that are on no panel and in no alert, and why."""
PERCENT = "percentunit"


def shown(label: str, values: dict[str, str]) -> Any:
    return pytest.param(f"{{{{{label}}}}}", values, id=label)


def finds(query: Query) -> str:
    """PromQL that is 1 if the query finds series, and finds them with every label that its legend names."""
    labels = re.findall(r"{{(\w+)}}", query.legend)
    claims = [query.expr] + [
        f"count by ({label}) ({query.expr}) unless on ({label}) vector(1)" for label in labels
    ]
    return " * ".join(f"(count({claim}) > bool 0)" for claim in claims)


def complaint(queries: list[Query], tmp_path: Path) -> str:
    """What promtool has against the claim that each of these finds something in a full scrape; empty: nothing."""
    series = [*exporter_series(), *worker_series()]
    one = [{"labels": "{}", "value": 1}]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": "1+1x60"} for name in series],
        "promql_expr_test": [
            {"expr": finds(query), "eval_time": "1h", "exp_samples": one} for query in queries
        ],
    }
    done = judge({"rule_files": [], "evaluation_interval": "1m", "tests": [test]}, tmp_path)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.promtool
def test_every_query_finds_what_it_shows(tmp_path: Path) -> None:
    assert not complaint(of_board(), tmp_path)


@pytest.mark.promtool
@pytest.mark.parametrize(
    ("expr", "legend"),
    [
        ("sum by (", ""),
        ("hcp_no_such_thing", ""),
        ('hcp_channel_reviews{chanel="pc"}', ""),
        ('hcp_quality_ratio{rate="excellent"}', ""),
        ("hcp_channel_reviews", "{{chanel}}"),
        ("sum(hcp_channel_reviews)", "{{channel}}"),
    ],
)
def test_a_query_that_finds_nothing_is_found_out(expr: str, legend: str, tmp_path: Path) -> None:
    assert complaint([Query("", expr, legend)], tmp_path)


@pytest.mark.parametrize("query", of_board(), ids=lambda query: query.where)
def test_the_board_names_only_metrics_that_there_are(query: Query) -> None:
    assert metrics_in(query.expr)
    assert metrics_in(query.expr) <= names()


def test_names_are_read_out_of_queries() -> None:
    assert metrics_in('sum by (a) (rate(x_total{b="c d"}[5m] offset 1h)) >= on (e) group_left () 2 * y') == {
        "x_total",
        "y",
    }


def test_every_metric_is_on_the_board_or_in_an_alert_or_has_a_reason_not_to_be() -> None:
    used = set().union(*(metrics_in(query.expr) for query in [*of_board(), *of_alerts()]))
    assert families(names()) - families(used) == set(UNUSED)


def families(series: set[str]) -> set[str]:
    """The metrics that these series belong to: a histogram has three."""
    return {re.sub("_(bucket|sum|count)$", "", name) for name in series}


def test_the_scrape_has_every_metric_of_the_exporter() -> None:
    assert {series.split("{")[0] for series in exporter_series()} == {computed.name for computed in COMPUTED}


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_has_a_chinese_title_an_english_description_and_a_unit(panel: dict[str, Any]) -> None:
    assert re.search(r"[\u4e00-\u9fff]", panel["title"])
    assert panel["description"].isascii()
    assert panel["datasource"]["uid"] == "${datasource}"
    ratio = any(metrics_in(target["expr"]) & ratios() for target in panel["targets"])
    assert (panel["fieldConfig"]["defaults"]["unit"] == PERCENT) == ratio


def ratios() -> set[str]:
    """Metrics from 0 to 1."""
    return {
        one.name
        for one in (metrics.REVIEW_RATE, metrics.REVIEW_RATE_TARGET, metrics.QUALITY, metrics.COVERAGE)
    }


def test_panels_fill_the_grid_without_overlap() -> None:
    cells = [cell for panel in panels() for cell in cells_of(panel["gridPos"])]
    assert len(cells) == len(set(cells)) == 24 * (max(y for _, y in cells) + 1)
    assert {x for x, _ in cells} == set(range(24))
    assert len({panel["id"] for panel in panels()}) == len(panels())


def cells_of(at: dict[str, int]) -> list[tuple[int, int]]:
    return list(itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])))


@pytest.mark.parametrize(
    ("legend", "words"),
    [
        shown("channel", {channel.value: channel.label for channel in Channel}),
        shown("state", {state.value: state.label for state in State}),
        shown("fate", {fate.value: TERMS[fate.value] for fate in Fate}),
        shown("rule", {rule.id: rule.name for rule in rules().values()}),
        shown("need", {need: TERMS[need] for need in NEEDS}),
        shown("kind", {kind: TERMS[kind] for kind in FAULTS}),
        shown("outcome", {outcome: TERMS[outcome] for outcome in OUTCOMES}),
        shown("handling_mode", {mode.value: mode.label for mode in HandlingMode}),
        shown(
            "handling_mode}} {{state",
            {f"{m.value} {state}": m.label + TERMS[state] for m in HandlingMode for state in SERVICES},
        ),
    ],
)
def test_what_a_label_says_is_told_in_the_countys_words(legend: str, words: dict[str, str]) -> None:
    (panel,) = [one for one in panels() if any(target["legendFormat"] == legend for target in one["targets"])]
    assert words.items() <= renamed(panel).items()


@pytest.mark.parametrize(
    ("label", "values"),
    [
        ("reason", set(REASONS)),
        ("of", set(COVERAGE)),
        ("rate", set(County().figures().quality())),
    ],
)
def test_every_value_of_a_label_has_a_chinese_name(label: str, values: set[str]) -> None:
    using = [one for one in panels() if any(label in target["legendFormat"] for target in one["targets"])]
    names_there = {value: name for panel in using for value, name in renamed(panel).items()}
    assert names_there.keys() == values
    assert all(re.search(r"[\u4e00-\u9fff]", name) for name in names_there.values())


def renamed(panel: dict[str, Any]) -> dict[str, str]:
    """Series → the name that it is shown under."""
    return {
        override["matcher"]["options"]: change["value"]
        for override in panel["fieldConfig"].get("overrides", [])
        for change in override["properties"]
        if change["id"] == "displayName"
    }


def test_grafana_is_told_where_things_are_by_two_variables() -> None:
    found = [
        path for path in (GRAFANA / "provisioning").rglob("*.yml") if yaml.safe_load(path.read_text("utf-8"))
    ]
    variables = re.findall(r"\$\{(\w+)}", "".join(path.read_text("utf-8") for path in found))
    assert sorted(variables) == ["HCP_GRAFANA_DIR", "HCP_PROMETHEUS_URL"]


def test_what_is_mounted_is_in_the_package() -> None:
    root = GRAFANA.parent
    globs = tomllib.loads((root.parent / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"][
        "package-data"
    ]
    packed = {path for pattern in globs["deploy"] for path in root.glob(pattern) if path.is_file()}
    assert {
        path for folder in (GRAFANA, PROMETHEUS) for path in folder.rglob("*") if path.is_file()
    } <= packed
