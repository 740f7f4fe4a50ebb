"""The examples of docs/app.md, as they stand there, against a gateway: curl in a shell, Python, JavaScript in Chromium."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.chromium import ARGS, CHROMIUM
from tests.producers.gateway.house import SECRETS, SYSTEM, House, house
from tests.serving import served

PAGE = (Path(__file__).parents[3] / "docs" / "app.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


class Shown:
    """A gateway and the environment that the page's examples expect."""

    def __init__(self, gateway: House, address: str) -> None:
        self.gateway, self.address = gateway, address
        secret = base64.urlsafe_b64encode(SECRETS[SYSTEM]).decode().rstrip("=")
        named = {"URL": address, "DEVICE": SYSTEM, "DEVICE_KEY": "k1", "DEVICE_SECRET": secret}
        self.environment = os.environ | {f"HCP_{name}": value for name, value in named.items()}

    def run(self, *command: str, **more: str) -> str:
        done = subprocess.run(
            command, env=self.environment | more, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    with house(tmp_path) as gateway, served(gateway.app, "off") as address:
        yield Shown(gateway, address)


def test_curl(shown: Shown) -> None:
    invite, review = examples("sh")
    invitation = json.loads(shown.run("bash", "-euc", invite))
    taken = json.loads(shown.run("bash", "-euc", review, HCP_TOKEN=invitation["token"]))
    (value,) = shown.gateway.values()
    assert value["event_id"] == taken["event_id"]
    assert (value["case_no"], value["channel"], value["comment"]) == ("MX20261123000451", "app", "跑了三趟")


def test_python(shown: Shown) -> None:
    code = "\n".join(examples("python")) + "\nprint(json.dumps(taken))"
    taken = json.loads(shown.run(sys.executable, "-W", "error", "-c", code))
    (value,) = shown.gateway.values()
    assert value["event_id"] == taken["event_id"]
    assert (value["case_no"], value["channel"]) == ("MX20261123000452", "mini_program")
    assert value["real_name"]
    assert "13800135678" not in json.dumps(value)


@pytest.mark.browser
def test_javascript(shown: Shown) -> None:
    invite, _ = examples("sh")
    token = json.loads(shown.run("bash", "-euc", invite))["token"]
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
