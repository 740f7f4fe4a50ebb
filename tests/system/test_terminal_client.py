"""`hcp terminal`, the real command, on real servers: what it says while the gateway is away is in the ledger, too, once."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from pipeline.ledger.device_chains import chains
from producers.devices.device import Device
from producers.devices.managing import Office
from producers.terminal.enrolment import link
from tests.gateway import GatewayProcess
from tests.harness import DEPT, System, case
from tests.wait import wait_for

pytestmark = pytest.mark.system
A_PART = 20


class Window:
    """The program of a window, with `hcp terminal run` behind it; `code` runs in it first (a broken twin)."""

    def __init__(self, folder: Path, code: str = "") -> None:
        self._folder = folder
        self._script = textwrap.dedent(code) + "\nfrom deploy.cli import main; main()"
        self.said: list[dict[str, Any]] = []

    def command(self, *words: str) -> "subprocess.Popen[bytes]":
        env = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
        return subprocess.Popen(
            [sys.executable, "-c", self._script, "terminal", *words, "--folder", str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env | {"PYTHONUNBUFFERED": "1"},
        )

    def enrol(self, enrolment: str) -> None:
        said, wrong = self.command("enrol").communicate(enrolment.encode() + b"\n", timeout=60)
        assert b"terminal-9 at window W9" in said, wrong

    def say(self, running: "subprocess.Popen[bytes]", *reviews: dict[str, Any]) -> None:
        """Each is answered when it is on this disk, whether the gateway is there or not."""
        assert running.stdin
        assert running.stdout
        for review in reviews:
            running.stdin.write(json.dumps(review).encode() + b"\n")
            running.stdin.flush()
            self.said.append(json.loads(running.stdout.readline()))


def talk(system: System, gateway: GatewayProcess, code: str = "") -> Window:
    """Enrolled, it says something, also while the gateway is away, and ends when it has sent it."""
    key = Office(system.settings).add(
        Device("terminal-9", "terminal", "9号窗口", ("terminal",), DEPT, "H1", "W9")
    )
    gateway.start()
    window = Window(system.folder / "terminal", code)
    window.enrol(link(gateway.url, "W9", key))
    running = window.command("run", "--drain", "60")
    try:
        window.say(running, {"satisfaction": 1, "case_no": "C1"}, *[{"satisfaction": 5}] * (A_PART - 1))
        gateway.kill()
        window.say(running, *[{"satisfaction": 4}] * A_PART)
        gateway.start()
        window.say(running, *[{"satisfaction": 3}] * A_PART)
        _, wrong = running.communicate(timeout=90)
    finally:
        running.kill()
    assert running.returncode == 0, wrong
    assert b"not sent yet" not in wrong
    return window


def all_arrive(system: System, window: Window, seconds: float) -> None:
    """AssertionError unless each is in the ledger, once, under the number that it was given."""
    with system.worker():
        wait_for(
            lambda: system.one("select count(*) from review") >= len(window.said),
            seconds,
            "all in the ledger",
        )
        system.wait_until_caught_up()
    kept = system.ask("select event_id, device_seq::int from review order by device_seq")
    assert kept == [(one["event_id"], one["device_seq"]) for one in window.said]


def test_what_a_window_s_program_says_is_in_the_ledger_in_one_chain(
    system: System, gateway: GatewayProcess
) -> None:
    system.send(case("C1"))
    window = talk(system, gateway)
    assert len(window.said) == 3 * A_PART
    all_arrive(system, window, 60)
    assert set(system.ask("select channel, window_code from review")) == {("terminal", "W9")}
    with system.ledger.connect() as connection:
        (chain,) = chains(connection)
    assert (chain.device_id, chain.last_seq, chain.whole) == ("terminal-9", 3 * A_PART, True)
    assert system.counters("matched") == {"matched": 1}
    assert system.one("select count(*) from ticket") == 1


HOPEFUL = """
    from contextlib import suppress
    from producers.spool.http_sink import HttpSink, Unsent
    right = HttpSink.send
    def send(self, rows):
        with suppress(Unsent):
            right(self, rows)
    HttpSink.send = send
"""


@pytest.mark.proof
def test_a_terminal_that_takes_no_answer_for_an_answer_goes_red(
    system: System, gateway: GatewayProcess
) -> None:
    """The broken twin."""
    window = talk(system, gateway, HOPEFUL)
    with pytest.raises(AssertionError, match="all in the ledger"):
        all_arrive(system, window, 15)
