"""`python -m tests.tools` on machines that have everything, lack something, and have mirrors that fail."""

from collections.abc import Sequence

import pytest

from tests.tools import Done, Machine, provide

PROGRAM = {
    "chromium": "chromium",
    "prometheus": "promtool",
    "fontconfig": "fc-list",
    "wrk": "wrk",
    "fonts-noto-cjk": "a font",
}


class Apt:
    """A machine with these things, whose first `failures` commands of apt-get fail."""

    def __init__(self, *things: str, failures: int = 0) -> None:
        self.things, self.failures = {"apt-get", *things}, failures
        self.commands: list[str] = []

    def run(self, command: Sequence[str]) -> Done:
        if command[0] == "fc-list":
            return Done(command, 0, "Noto Sans CJK SC\n" if "a font" in self.things else "", "")
        self.commands.append(command[1])
        if len(self.commands) <= self.failures:
            return Done(command, 100, "", "E: the mirror hiccups")
        if command[1] == "install":
            self.things |= {PROGRAM[word] for word in command if word in PROGRAM}
        return Done(command, 0, "a lot of words", "")

    def machine(self, *, root: bool = True) -> Machine:
        return Machine(lambda name: name if name in self.things else None, self.run, lambda: root)


def test_nothing_is_done_or_said_when_all_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    apt = Apt(*PROGRAM.values())
    assert provide(apt.machine()) == ""
    assert (apt.commands, capsys.readouterr().out) == ([], "")


def test_root_gets_exactly_what_is_missing_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    apt = Apt("chromium", "fc-list", "wrk")
    assert provide(apt.machine()) == ""
    assert apt.commands == ["update", "install"]
    assert capsys.readouterr().out == "installing for the tests: prometheus fonts-noto-cjk\n"
    assert {"promtool", "a font"} <= apt.things


@pytest.mark.parametrize("failures", [1, 2])
def test_a_mirror_that_hiccups_is_asked_again(failures: int) -> None:
    apt = Apt(failures=failures)
    assert bool(provide(apt.machine())) == (failures == 2)
    assert apt.things >= set(PROGRAM.values()) or failures == 2


def test_a_mirror_that_is_away_is_quoted_with_the_line_to_type() -> None:
    said = provide(Apt(*list(PROGRAM.values())[1:], failures=9).machine())
    assert said.splitlines() == [
        "E: the mirror hiccups",
        "the tests need chromium; type: sudo apt-get install chromium",
    ]


def test_an_install_that_brings_too_little_is_noticed() -> None:
    apt = Apt(*list(PROGRAM.values())[1:])
    machine = apt.machine()._replace(run=lambda command: Done(command, 0, "Noto", ""))
    assert "sudo apt-get install chromium" in provide(machine)


def test_who_is_not_root_or_has_no_apt_is_told_the_line_to_type() -> None:
    apt = Apt("promtool", "fc-list", "a font", "wrk")
    assert provide(apt.machine(root=False)) == (
        "the tests need chromium; type: sudo apt-get install chromium"
    )
    apt.things.remove("apt-get")
    assert "sudo apt-get install chromium" in provide(apt.machine())
    assert apt.commands == []
