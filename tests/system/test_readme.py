"""What the README tells a newcomer to type works as it stands."""

import re
from pathlib import Path

import pytest

from tests.harness import System

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.system
def test_the_first_event_becomes_a_ticket_of_the_county_office(system: System) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    code = code.replace("127.0.0.1:19092", system.settings.kafka.bootstrap_servers)
    code = code.replace("hcp.review.v1", system.settings.kafka.topic_prefix + "review.v1")
    with system.worker():
        exec(code + "\nproducer.close()", {})  # noqa: S102  the README's own words
        system.wait_until_caught_up()
    assert system.ask("select dept_code, routed_by from ticket") == [("610326", "county")]


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md", "docs/decisions/README.md"])
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_make_target_and_command_it_names_exists() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"make ([a-z-]+)", README)) - {"it"} <= set(targets)
