"""What holds for every page, whatever is on it."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe


def overflows(page: Any) -> bool:
    """Whether it can be moved sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def violations(page: Any) -> list[str]:
    """What axe finds, rule by rule."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found]
