"""What the tests and the bench need beside Python: Kafka's jars, Chromium, promtool, Chinese fonts, wrk. `python -m tests.tools` brings it, or says how."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from deploy.embedded.jars import fetch_jars
from tests.conftest import CACHE

Done = subprocess.CompletedProcess[str]
INSTALL = ("apt-get", "install", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold")
TRIES = 2
"""A mirror that fails once is common; one that fails twice is not there."""


def run(command: Sequence[str]) -> Done:
    """Run it without questions; what it says is kept. Blocks."""
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)


class Machine(NamedTuple):
    """What is asked of the machine: where a program is, to run one, and whether we are root."""

    which: Callable[[str], str | None] = shutil.which
    run: Callable[[Sequence[str]], Done] = run
    is_root: Callable[[], bool] = lambda: os.geteuid() == 0


def missing(machine: Machine) -> list[str]:
    """The Debian packages that are not there."""
    wanted = {"chromium": "chromium", "promtool": "prometheus", "fc-list": "fontconfig", "wrk": "wrk"}
    packages = [package for program, package in wanted.items() if not machine.which(program)]
    return packages if has_chinese_font(machine) else [*packages, "fonts-noto-cjk"]


def has_chinese_font(machine: Machine) -> bool:
    """Whether a page in Chinese would show more than boxes; False also when nobody can tell."""
    return bool(machine.which("fc-list") and machine.run(["fc-list", ":lang=zh"]).stdout.strip())


def provide(machine: Machine) -> str:
    """Install what is missing, if that may be done; returns what a person has to do, empty if nothing. Blocks."""
    packages = missing(machine)
    if not packages:
        return ""
    by_hand = f"the tests need {', '.join(packages)}; type: sudo apt-get install {' '.join(packages)}"
    if not (machine.is_root() and machine.which("apt-get")):
        return by_hand
    print(f"installing for the tests: {' '.join(packages)}", flush=True)
    said = install(machine, packages)
    return f"{said}\n{by_hand}" if said or missing(machine) else ""


def install(machine: Machine, packages: list[str]) -> str:
    """Update the lists and install, twice if need be; returns what apt-get said if it failed."""
    said = ""
    for _ in range(TRIES):
        for command in (["apt-get", "update"], [*INSTALL, *packages]):
            done = machine.run(command)
            if done.returncode != 0:
                said = (
                    f"{done.stdout}{done.stderr}".strip()
                    or f"{' '.join(command)}: exit code {done.returncode}"
                )
                break
        else:
            return ""
    return said


def main() -> str:
    """Bring everything; returns what a person has to do, empty if nothing. Blocks."""
    fetch_jars(CACHE)  # once, before several processes want them
    return provide(Machine())


if __name__ == "__main__":
    sys.exit(main() or None)
