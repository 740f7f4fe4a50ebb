"""`hcp terminal`, the real command, on real servers: what it says while the gateway is away is in the ledger, too, once."""

import json
import os
import subprocess
import sys
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
    """The program of a window, with `hcp terminal run` behind it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.said: list[dict[str, Any]] = []

    def command(self, *words: str, **more: Any) -> "subprocess.Popen[bytes]":
        env = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
        return subprocess.Popen(
            [sys.executable, "-m", "deploy", "terminal", *words, "--folder", str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env | {"PYTHONUNBUFFERED": "1"},
            **more,
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


def test_what_a_window_s_program_says_is_in_the_ledger_in_one_chain(
    system: System, gateway: GatewayProcess
) -> None:
    key = Office(system.settings).add(
        Device("terminal-9", "terminal", "9号窗口", ("terminal",), DEPT, "H1", "W9")
    )
    gateway.start()
    system.send(case("C1"))
    window = Window(system.folder / "terminal")
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
    with system.worker():
        wait_for(
            lambda: system.one("select count(*) from review") >= len(window.said), 60, "all in the ledger"
        )
        system.wait_until_caught_up()
    kept = system.ask("select event_id, device_seq::int from review order by device_seq")
    assert kept == [(one["event_id"], one["device_seq"]) for one in window.said]
    assert len(kept) == 3 * A_PART
    assert set(system.ask("select channel, window_code from review")) == {("terminal", "W9")}
    with system.ledger.connect() as connection:
        (chain,) = chains(connection)
    assert (chain.device_id, chain.last_seq, chain.whole) == ("terminal-9", 3 * A_PART, True)
    assert system.counters("matched") == {"matched": 1}
    assert system.one("select count(*) from ticket") == 1
