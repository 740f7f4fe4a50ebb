"""The examples of docs/app.md, as they stand there, against a gateway: curl in a shell, Python, JavaScript in Chromium."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.chromium import ARGS, CHROMIUM
from tests.producers.gateway.house import SYSTEM
from tests.producers.shown import Shown

PAGE = (Path(__file__).parents[3] / "docs" / "app.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_curl(shown: Shown) -> None:
    invite, review = examples("sh")
    invitation = json.loads(shown.run(SYSTEM, "bash", "-euc", invite))
    taken = json.loads(shown.run(SYSTEM, "bash", "-euc", review, HCP_TOKEN=invitation["token"]))
    (value,) = shown.gateway.values()
    assert value["event_id"] == taken["event_id"]
    assert (value["case_no"], value["channel"], value["comment"]) == ("MX20261123000451", "app", "跑了三趟")


def test_python(shown: Shown) -> None:
    code = "\n".join(examples("python")) + "\nprint(json.dumps(taken))"
    taken = json.loads(shown.run(SYSTEM, sys.executable, "-W", "error", "-c", code))
    (value,) = shown.gateway.values()
    assert value["event_id"] == taken["event_id"]
    assert (value["case_no"], value["channel"]) == ("MX20261123000452", "mini_program")
    assert value["real_name"]
    assert "13800135678" not in json.dumps(value)


@pytest.mark.browser
def test_javascript(shown: Shown) -> None:
    invite, _ = examples("sh")
    token = json.loads(shown.run(SYSTEM, "bash", "-euc", invite))["token"]
    (code,) = examples("javascript")
    said: dict[str, Any] = {"satisfaction": 5, "reason_codes": ["517"]}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        page = browser.new_page()
        page.goto(f"{shown.address}/r/receipt")
        call = f"([url, token, said]) => {{ {code}; return review(url, token, said); }}"
        answers = [page.evaluate(call, [shown.address, token, said]) for _ in range(2)]
        browser.close()
    assert [answer["status"] for answer in answers] == [202, 409]
    assert answers[1]["type"].endswith("already_reviewed")
    (value,) = shown.gateway.values()
    assert (value["event_id"], value["reason_codes"]) == (answers[0]["event_id"], ["517"])


@pytest.mark.parametrize("name", ["app.md", "citizen.md"])
def test_links_and_pictures_are_there(name: str) -> None:
    folder = Path(__file__).parents[3] / "docs"
    text = (folder / name).read_text(encoding="utf-8")
    named = re.findall(r'\]\(([^)#]+)\)|src="([^"]+)"|\((docs/[a-z.]+)\)', text)
    files = [next(filter(None, found)) for found in named]
    found = [file if file.startswith("docs/") else f"docs/{file}" for file in files if "://" not in file]
    assert found
    for file in found:
        assert (folder.parent / file).stat().st_size < 150_000, file
