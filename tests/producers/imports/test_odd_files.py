"""A watched folder with two hundred odd files: each ends in done/ or refused/ with its sentence, and the watcher stays small."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.producers.imports.odd_files import DONE, SECRET, Odd, odd_files

MOST_MB = 300
SOMEBODYS = 12
"""Files that lay in done/ and refused/ before."""


class Ran:
    """What the watcher made of the folder."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "in"
        self.folder.mkdir()
        self.odd = odd_files(self.folder)
        self.modes = {odd.name: _mode(os.fsencode(self.folder) + b"/" + odd.name) for odd in self.odd}
        words = [
            sys.executable,
            "-m",
            "tests.producers.imports.watching",
            str(self.folder),
            str(root / "state"),
        ]
        self.out = subprocess.run(words, check=True, capture_output=True, timeout=240)
        told = json.loads(self.out.stdout)
        self.peak_mb: int = told["peak_mb"]
        self.taken: dict[bytes, dict[str, Any]] = {bytes.fromhex(one["name"]): one for one in told["taken"]}

    def place(self, odd: Odd) -> bytes:
        return bytes.fromhex(self.taken[odd.name]["place"])

    def read(self, place: bytes) -> str:
        return Path(os.fsdecode(os.fsencode(self.folder) + b"/" + place)).read_text(encoding="utf-8-sig")


def _mode(path: bytes) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return Ran(tmp_path_factory.mktemp("odd"))


def test_there_are_two_hundred_of_them(ran: Ran) -> None:
    assert len({odd.name for odd in ran.odd}) == len(ran.odd) >= 200


def test_each_is_where_it_belongs_with_its_sentence(ran: Ran) -> None:
    wrong = []
    for odd in ran.odd:
        place = ran.place(odd)
        said = ran.read(place + b".errors.csv") if place.startswith(b"refused/") else DONE
        if bool(said) != bool(odd.said) or not re.search(odd.said, said):
            wrong.append((odd, place, said[:300]))
    assert not wrong


def test_nothing_else_is_left_and_nothing_is_overwritten(ran: Ran) -> None:
    assert {entry.name for entry in ran.folder.iterdir()} == {"done", "refused"}
    kept = [path for path in ran.folder.glob("*/*") if path.is_file() and not path.is_symlink()]
    assert sum(path.read_bytes() == b"somebody's" for path in kept) == SOMEBODYS


def test_the_screen_gets_one_line_each_that_it_can_show(ran: Ran) -> None:
    lines = [said for one in ran.taken.values() for said in one["lines"]]
    assert all(said.isprintable() and len(said) < 2_000 for said in lines)
    assert ran.out.stderr == b""


def test_no_list_can_be_read_by_more_people_than_its_file_and_none_tells_what_a_link_led_to(ran: Ran) -> None:
    for odd in ran.odd:
        listed = ran.place(odd) + b".errors.csv"
        if (path := Path(os.fsdecode(os.fsencode(ran.folder) + b"/" + listed))).exists():
            assert stat.S_IMODE(path.stat().st_mode) & ~ran.modes[odd.name] == 0
            assert SECRET not in path.read_text(encoding="utf-8-sig")
    assert SECRET.encode() not in ran.out.stdout


def test_it_stays_small(ran: Ran) -> None:
    assert ran.peak_mb <= MOST_MB
