"""docs/gateway.md: its examples run as they stand there, its tables say what is."""

import hmac
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.signing import Signed
from producers.devices.managing import encode
from producers.gateway.guard import Declared
from tests.producers.gateway.house import SYSTEM, TERMINAL, House
from tests.producers.shown import Shown

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "gateway.md").read_text(encoding="utf-8")
RAISED = re.compile(
    r'(?:Unauthorized|Forbidden)\(\s*"(\w+)"|(?:NotSupported|Problem)\(\s*[\w.]+,\s*"(\w+)"', re.DOTALL
)


def example(language: str) -> str:
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(code)


@pytest.mark.parametrize("algorithm", ["sha256", "sm3"])
def test_curl(shown: Shown, algorithm: str) -> None:
    code = example("sh")
    if algorithm == "sm3":  # as the sentence below the example says
        code = code.replace("-sha256 -mac", "-sm3 -mac")
        code = code.replace('-H "hcp-key', "-H 'hcp-algorithm: hmac-sm3' -H \"hcp-key")
    taken = json.loads(shown.run(TERMINAL, "bash", "-euc", code))
    (value,) = shown.gateway.values()
    assert value["event_id"] == taken["event_id"]
    assert (value["case_no"], value["window_code"], value["satisfaction"]) == ("MX20261123000451", "W1", 2)


def test_python(shown: Shown) -> None:
    said = shown.run(SYSTEM, sys.executable, "-W", "error", "-c", example("python") + "\nprint(results)")
    assert said.count("'status': 202") == 3
    assert [value["case_no"][-1] for value in shown.gateway.values()] == ["0", "1", "2"]


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not needed for anything else")
def test_javascript(shown: Shown) -> None:
    taken = json.loads(shown.run(TERMINAL, "node", "--input-type=module", "-e", example("javascript")))
    assert taken["status"] == 202
    assert shown.gateway.values()[0]["event_id"] == taken["event_id"]


def test_the_worked_signature_is_the_one_that_counts() -> None:
    head, body = example("http").rstrip("\n").split("\n\n")
    first, *lines = head.split("\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    secret, sm3 = bytes(range(1, 33)), re.findall(r"its signature is\n`([0-9a-f]{64})`", PAGE)
    assert encode(secret) in PAGE
    signed = Signed.of(headers.items())
    assert signed.is_by(secret, method, path, body.encode())
    assert hmac.new(secret, example("text").rstrip("\n").encode(), "sha256").hexdigest() == signed.signature
    other = Signed.of((headers | {"hcp-algorithm": "hmac-sm3", "hcp-signature": sm3[0]}).items())
    assert other.is_by(secret, method, path, body.encode())


def table(heading: str) -> list[list[str]]:
    """The rows of the first table of a section."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_routes_are_those_that_there_are(gateway: House) -> None:
    rows = {row[0].strip("`"): row[1:] for row in table("Who may call what")}
    there: dict[str, list[Any]] = {
        f"{method} {route.path_format}": [
            route.rules.auth,
            route.rules.rate,
            f"{route.rules.body // 1024} KiB",
        ]
        for route in gateway.app.routes
        if isinstance(route, Declared)
        for method in route.asked_with
    }
    assert rows == there


def test_every_kind_of_problem_is_told() -> None:
    told = set(re.findall(r"`(\w+)`", " ".join(row[0] for row in table("Problems"))))
    sources = [*(ROOT / "producers").rglob("*.py")]
    raised = {
        next(filter(None, found))
        for source in sources
        for found in RAISED.findall(source.read_text(encoding="utf-8"))
    }
    assert told == raised | {"method_not_allowed"}
