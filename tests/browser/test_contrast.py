"""The citizen's page in bad light: text and faces have a contrast of 7 to 1, where 4.5 would do in a good one."""

import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.test_qr import STATES, State, choose, choosing, page_of, served_from

pytestmark = pytest.mark.browser
ENHANCED = {"runOnly": {"type": "rule", "values": ["color-contrast-enhanced"]}}
ENOUGH = 7.0
"""WCAG 2.2, 1.4.6."""
COLOURS = """() => {
  const isText = (node) => node.nodeType === Node.TEXT_NODE && node.data.trim();
  const seen = [...document.querySelectorAll("body *")].filter(
    (one) => one.checkVisibility() && (one.matches(".face") || [...one.childNodes].some(isText)));
  return seen.map((one) => {
    let under = one;
    while (getComputedStyle(under).backgroundColor === "rgba(0, 0, 0, 0)") under = under.parentElement;
    return [one.outerHTML.slice(0, 80), getComputedStyle(one).color, getComputedStyle(under).backgroundColor];
  });
}"""
"""Of every text and every face that is shown: what it is, its colour, the colour under it."""


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(…)`, by WCAG."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def contrasts(page: Any) -> list[tuple[str, float]]:
    """Of every text and every face, also of large text, of which axe demands less."""
    return [(shown, contrast(colour, under)) for shown, colour, under in page.evaluate(COLOURS)]


def pale(page: Any) -> list[str]:
    """What is below 7 to 1, by our own measure and by axe's, which sees what lies upon what."""
    response = Axe().run(page, options=ENHANCED).response
    assert response["passes"], "it has looked"
    unsure = [*response["violations"], *response["incomplete"]]
    ours = [shown for shown, found in contrasts(page) if found < ENOUGH]
    return ours + [node["html"] for rule in unsure for node in rule["nodes"]]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_every_text_can_be_read_in_bad_light(tmp_path: Path, chromium: Any, state: State) -> None:
    with served_from(tmp_path, spool_bytes=2**20) as served, page_of(chromium) as page:
        state(served, page)
        assert pale(page) == []


@pytest.mark.parametrize("level", [5, 4, 3, 2, 1])
def test_every_face_can_be_told_in_bad_light(tmp_path: Path, chromium: Any, level: int) -> None:
    """Chosen, and not chosen."""
    with served_from(tmp_path) as served, page_of(chromium) as page:
        choosing(served, page)
        choose(page, level)
        assert sum("face level-" in shown for shown, _ in contrasts(page)) == 5
        assert pale(page) == []


@pytest.mark.parametrize(("element", "times"), [("h1", 1), (".face", 1), (".lead", 2)])
def test_what_does_in_a_good_light_alone_is_seen(
    tmp_path: Path, chromium: Any, element: str, times: int
) -> None:
    """The twin: grey of 5 to 1. Axe sees it of small text, too."""
    with served_from(tmp_path) as served, page_of(chromium) as page:
        choosing(served, page)
        page.evaluate("one => { document.querySelector(one).style.color = '#666a70'; }", element)
        assert len(pale(page)) == times
