"""`hcp simulate` against the real thing: gateway process, Kafka, PostgreSQL, worker; what was taken is in the ledger, once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pipeline.ledger.device_chains import chains
from pipeline.ledger.verify import verify
from pipeline.settings import environment
from producers.simulator.expect import Expect
from schemas.codes import Channel
from tests.gateway import GatewayProcess
from tests.harness import System
from tests.wait import wait_for

pytestmark = pytest.mark.system
SMALL = ("--days", "2", "--rate", "350", "--halls", "2", "--bad", "0.15", "--until", "2026-03-04T00:00:00")
"""A Monday and a Tuesday on which offices work."""


class Desk:
    """Types commands as a person does."""

    def __init__(self, system: System) -> None:
        self.system = system
        ours = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
        self.env = ours | environment(system.settings)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        command = [str(Path(sys.executable).with_name("hcp")), "simulate", *words]
        return subprocess.Popen(
            command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=self.system.folder,
        )  # fmt: skip

    def simulate(self, *words: str) -> tuple[int, str]:
        process = self.start(*words)
        said, _ = process.communicate(timeout=200)
        return process.returncode, said


@pytest.fixture
def desk(system: System) -> Iterator[Desk]:
    gateway = GatewayProcess(system.settings, system.folder)
    gateway.start()
    try:
        with system.worker():
            yield Desk(system)
    finally:
        gateway.stop()


def test_two_days_with_all_that_goes_wrong_are_in_the_ledger_once(desk: Desk, tmp_path: Path) -> None:
    file, system = tmp_path / "expect.json", desk.system
    code, said = desk.simulate("--speed", "max", *SMALL, "--expect", str(file))
    assert code == 0, said
    code, checked = desk.simulate("--check", str(file))
    assert code == 0, checked
    wait_for(lambda: not verify(system.settings), 20, "the outbox to be sent")

    expect = msgspec.json.decode(file.read_bytes(), type=Expect)
    assert set(expect.channels) == {*Channel} - {Channel.HOTLINE}
    assert expect.conflicts > 0
    assert len(expect.cases) > expect.services, "some were keyed in again"
    bad = system.one("select count(*) from review where satisfaction <= 2")
    assert system.one("select count(*) from ticket") == bad == expect.tickets > 50
    assert "sent twice" in said
    with system.ledger.connect() as connection:
        found = chains(connection)
    forked = [chain for chain in found if not chain.whole]
    assert [chain.window_code for chain in forked] == ["H-610326-01"]
    assert forked[0].forks > 0
    assert len(found) > 20
    revoked = system.ask("select distinct revoked_at is null from office.device")
    assert revoked == [(False,)], "nobody can send as one of them any more"


def test_check_sees_what_is_lost_and_what_was_never_sent(desk: Desk, tmp_path: Path) -> None:
    file, system = tmp_path / "expect.json", desk.system
    words = (
        "--speed",
        "max",
        "--days",
        "0.5",
        "--rate",
        "60",
        "--halls",
        "1",
        "--until",
        "2026-03-03T17:00:00",
    )
    assert desk.simulate(*words, "--expect", str(file))[0] == 0
    assert desk.simulate("--check", str(file))[0] == 0
    whole = msgspec.json.decode(file.read_bytes(), type=Expect)
    wrong = msgspec.structs.replace(
        whole, reviews=[*whole.reviews[1:], "never-sent"], tickets=whole.tickets + 1
    )
    file.write_bytes(msgspec.json.encode(wrong))
    code, said = desk.simulate("--check", str(file), "--patience", "0")
    assert code == 1
    assert "reviews of a case lost: 1 (never-sent)" in said
    assert f"reviews of a case there and never taken: 1 ({whole.reviews[0]})" in said
    assert f"tickets: the ledger has {whole.tickets}, it must be {wrong.tickets}" in said
    again = desk.simulate(*words)
    assert again[0] == 1
    assert "already" in again[1]
    assert "Traceback" not in again[1]
    assert system.one("select count(*) from ticket") == whole.tickets


def test_an_interrupted_run_says_what_it_has_sent(desk: Desk, tmp_path: Path) -> None:
    file, system = tmp_path / "expect.json", desk.system
    process = desk.start("--speed", "max", "--pace", "50", *SMALL, "--expect", str(file))
    wait_for(lambda: system.one("select count(*) from review") > 20, 60, "some reviews")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "reviews by channel" in said
    assert desk.simulate("--check", str(file))[0] == 0


def test_without_a_gateway_it_says_so(system: System) -> None:
    code, said = Desk(system).simulate("--gateway", "http://127.0.0.1:9", "--days", "0.1")
    assert code == 1
    assert "the gateway at http://127.0.0.1:9: it does not answer" in said
    assert system.ask("select distinct revoked_at is null from office.device") == [(False,)]
