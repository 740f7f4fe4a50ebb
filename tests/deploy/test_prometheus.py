"""Prometheus's side: promtool accepts it, each alert fires when it should and not when it should not, and says what to do."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from deploy.cli import app
from pipeline.settings import Gateway, Rules, Web
from tests.deploy.queries import PROMETHEUS, Query, alerts, judge, metrics_in, of_alerts, promtool
from tests.deploy.scrape import names

pytestmark = pytest.mark.promtool
ALERTS = {rule["alert"]: rule for rule in alerts()}
RUNBOOK = Path(__file__).parents[2] / "docs/operations.md"
PARTS = ("**Meaning:**", "**First look:**", "**Mending:**", "**Over when**")
TESTS: dict[str, Any] = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text(encoding="utf-8"))


def expectations(alert: str) -> list[list[Any]]:
    """What is expected of this alert, in each test that asks for it."""
    asked = [one for test in TESTS["tests"] for one in test["alert_rule_test"]]
    return [one["exp_alerts"] for one in asked if one["alertname"] == alert]


@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
)
def test_promtool_is_content(words: tuple[str, ...]) -> None:
    done = promtool(*words, folder=PROMETHEUS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_exporter_and_gateway_are_scraped_where_they_answer() -> None:
    jobs = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    targets = {job["job_name"]: job.get("static_configs") for job in jobs}
    web, gateway = Web(), Gateway()
    assert targets["hcp-exporter"] == [{"targets": [f"{web.host}:{web.exporter_port}"]}]
    assert targets["hcp-gateway"] == [{"targets": [f"{gateway.host}:{gateway.port}"]}]


def test_what_waits_is_told_while_half_the_time_to_be_collected_is_left() -> None:
    assert Gateway().spool_age_hours <= Rules().collection_hours / 2


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_seen_to_fire_and_to_keep_quiet(alert: str) -> None:
    expected = expectations(alert)
    assert any(expected)
    assert not all(expected)


@pytest.mark.parametrize(
    ("alert", "broken"), [("HcpOutboxStuck", "vector(0) > 1"), ("HcpRepairs", "vector(1)")]
)
def test_a_broken_alert_makes_the_tests_fail(alert: str, broken: str, tmp_path: Path) -> None:
    mine = [test for test in TESTS["tests"] if test["alert_rule_test"][0]["alertname"] == alert]
    shutil.copy(PROMETHEUS / "alerts.yml", tmp_path)
    assert judge(TESTS | {"tests": mine}, tmp_path).returncode == 0

    rules = {"groups": [{"name": "broken", "rules": [ALERTS[alert] | {"expr": broken}]}]}
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(rules, allow_unicode=True), encoding="utf-8")
    assert judge(TESTS | {"tests": mine}, tmp_path).returncode != 0


def test_a_wrong_expectation_makes_the_tests_fail(tmp_path: Path) -> None:
    shutil.copy(PROMETHEUS / "alerts.yml", tmp_path)
    (asked,) = TESTS["tests"][0]["alert_rule_test"]
    assert asked["exp_alerts"]
    wrong = TESTS["tests"][0] | {"alert_rule_test": [asked | {"exp_alerts": []}]}
    assert judge(TESTS | {"tests": [wrong]}, tmp_path).returncode != 0


@pytest.mark.parametrize("query", of_alerts(), ids=lambda query: query.where)
def test_alerts_name_only_metrics_that_there_are(query: Query) -> None:
    assert metrics_in(query.expr)
    assert metrics_in(query.expr) <= names()


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_is_wrong_and_what_to_do(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert re.search(r"[\u4e00-\u9fff]", rule["annotations"]["summary"])
    commands = re.findall(r"`hcp ([a-z]+(?: [a-z]+)*)", rule["annotations"]["description"])
    assert commands
    for command in commands:
        assert is_command(command.split()), command


def is_command(words: list[str]) -> bool:
    """Whether `hcp` knows these words."""
    at: Any = typer.main.get_command(app)
    for word in words:
        at = getattr(at, "commands", {}).get(word)
    return at is not None


def test_what_is_no_command() -> None:
    assert is_command(["positions", "adopt"])
    assert not is_command(["position"])
    assert not is_command(["status", "now"])


def entries() -> dict[str, str]:
    """Each heading, in lower case, and the text below it."""
    parts = re.split(r"^#{2,3} ", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {heading.lower(): text for heading, _, text in (part.partition("\n") for part in parts)}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_leads_to_its_entry_in_the_runbook(alert: str) -> None:
    document, _, anchor = ALERTS[alert]["annotations"]["runbook_url"].partition("#")
    assert document == "docs/operations.md"
    assert anchor == alert.lower()
    text = entries()[anchor]
    assert [part for part in PARTS if part not in text] == []


def test_the_runbook_has_no_entry_of_an_alert_that_is_gone() -> None:
    assert {anchor for anchor in entries() if anchor.startswith("hcp")} == {alert.lower() for alert in ALERTS}


def test_the_runbook_leads_to_headings_that_there_are() -> None:
    anchors = {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in entries()}
    linked = set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK.read_text(encoding="utf-8")))
    assert linked
    assert linked <= anchors
