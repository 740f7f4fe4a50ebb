"""Every PromQL query of the alerts and of the board, the metrics that it names, and promtool to judge it."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import yaml

import deploy

PROMETHEUS = Path(deploy.__file__).parent / "prometheus"
GRAFANA = Path(deploy.__file__).parent / "grafana"
WORDS = {
    "and",
    "or",
    "unless",
    "bool",
    "offset",
    "on",
    "ignoring",
    "by",
    "without",
    "group_left",
    "group_right",
}
NOT_METRICS = re.compile(
    r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)|\b\d\w*'
)
"""Strings, matchers, ranges, lists of labels, numbers and durations."""


class Query(NamedTuple):
    """A query, and what it is called where it is used. `legend`: how the board names its series."""

    where: str
    expr: str
    legend: str = ""


def alerts() -> list[dict[str, Any]]:
    """The alerting rules, of all groups."""
    rules = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in rules["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """The board's panels."""
    found: list[dict[str, Any]] = json.loads((GRAFANA / "board.json").read_text(encoding="utf-8"))["panels"]
    return found


def of_alerts() -> list[Query]:
    return [Query(rule["alert"], rule["expr"]) for rule in alerts()]


def of_board() -> list[Query]:
    return [
        Query(panel["title"], target["expr"].replace("$__rate_interval", "5m"), target["legendFormat"])
        for panel in panels()
        for target in panel["targets"]
    ]


def metrics_in(expr: str) -> set[str]:
    """The names of the metrics: what is neither a function, nor a keyword, nor inside of braces, brackets, quotes."""
    bare = NOT_METRICS.sub(" ", expr)
    return set(re.findall(r"[a-zA-Z_:][\w:]*\b(?!\s*\()", bare)) - WORDS


def promtool(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def judge(tests: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run these unit tests of promtool in `folder`, whose alerts.yml they may name."""
    (folder / "made_test.yml").write_text(json.dumps(tests, ensure_ascii=False), encoding="utf-8")
    return promtool("test", "rules", "made_test.yml", folder=folder)
