"""`hcp gateway` as a process, on real servers: from a signed request to a ticket, without a database, and told to stop."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from deploy.embedded import ports
from pipeline.ledger.raw import unpack
from pipeline.settings import Settings, environment
from pipeline.signing import sign
from producers.devices.device import Device
from producers.devices.managing import NewKey, Office, decode
from tests.gateway import GatewayProcess, Sender
from tests.harness import DEPT, System, case, review
from tests.producers.gateway.arriving import fold, open_to_all, wrong
from tests.producers.gateway.exploring import explore
from tests.producers.gateway.house import SYSTEM, House
from tests.producers.gateway.mutating import bombard
from tests.producers.gateway.noted import together
from tests.wait import wait_for

pytestmark = pytest.mark.system
NOWHERE = "postgresql://hcp:x@127.0.0.1:9/none"


@pytest.fixture
def gateway(system: System) -> Iterator[GatewayProcess]:
    process = GatewayProcess(system.settings, system.folder)
    yield process
    process.kill()


def terminal(settings: Settings, name: str = "w1") -> NewKey:
    return Office(settings).add(Device(name, "terminal", channels=("terminal",), window_code="W1"))


def test_a_signed_bad_review_becomes_a_ticket_and_can_be_followed(
    system: System, gateway: GatewayProcess
) -> None:
    key = terminal(system.settings)
    office = Office(system.settings).add(Device("s1", "system", dept_code=DEPT))
    gateway.start()
    event = review("C1", 1, channel="terminal", device_seq=1)
    with system.worker():
        assert Sender(gateway.url, office).send(case("C1")).status_code == 202
        taken = Sender(gateway.url, key).send(event)
        assert taken.status_code == 202, taken.text
        asked = f"{gateway.url}/v1/reviews/{event['event_id']}"
        wait_for(lambda: httpx.get(asked).json()["state"] == "in-ledger", 40, "the ledger to have it")
        wait_for(lambda: system.counters("matched") == {"matched": 1}, 40, "review and case to meet")
        assert system.ask("select dept_code from ticket") == [(DEPT,)]
    (kept,) = system.ask("select device_id, window_code, sent_digest is not null, topic from review")
    assert kept == ("w1", "W1", True, system.settings.kafka.topic_prefix + "review.v1")
    assert httpx.get(f"{gateway.url}/readyz").json()["status"] == "ready"
    states = dict(system.ask("select name, state from office.component where name = 'gateway'"))
    assert states == {"gateway": "running"}


def test_what_is_revoked_hears_and_says_nothing_more_within_two_seconds(
    system: System, gateway: GatewayProcess
) -> None:
    key, other = terminal(system.settings), terminal(system.settings, "w2")
    gateway.start()
    sender = Sender(gateway.url, key)
    assert sender.send(review("C1", channel="terminal")).status_code == 202
    with listening(gateway.url, key) as stream, listening(gateway.url, other) as another:
        Office(system.settings).revoke("w1")
        began = time.monotonic()
        assert list(stream) == []
        assert time.monotonic() - began < 2
        assert sender.send(review("C1", channel="terminal")).status_code == 401
        assert time.monotonic() - began < 2
        assert Sender(gateway.url, other).send(review("C1", channel="terminal")).status_code == 202
        assert next(another) == ": ", "the other one goes on"


@contextmanager
def listening(url: str, key: NewKey) -> Iterator[Iterator[str]]:
    """What a terminal hears of those who are called, line by line, after it was told who it is."""
    path = "/v1/terminals/W1/invitations"
    headers = sign(key.device_id, key.key_id, decode(key.secret), "GET", path, b"", {})
    with httpx.stream("GET", f"{url}{path}", headers=headers, timeout=30) as answer:
        lines = answer.iter_lines()
        assert [next(lines)[:15] for _ in range(3)] == ["event: terminal", 'data: {"name":"', ""]
        yield lines


def test_without_a_database_it_starts_and_takes_what_devices_send(
    system: System, gateway: GatewayProcess
) -> None:
    sender = Sender("", terminal(system.settings))
    gateway.start()
    sender.url = gateway.url
    assert sender.send(review("C1", channel="terminal")).status_code == 202
    gateway.kill()
    there = system.settings.database.url
    system.settings.database.url = type(there)(NOWHERE)
    gateway.start()
    event = review("C2", channel="terminal")
    assert sender.send(event).status_code == 202
    asked = f"{gateway.url}/v1/reviews/{event['event_id']}"
    wait_for(lambda: httpx.get(asked).json()["state"] == "stored-in-log", 30, "Kafka to have it")
    system.settings.database.url = there
    with system.worker():
        system.wait_until_caught_up()
    assert system.one("select count(*) from review") == 2


def test_told_to_stop_it_stops_at_once_and_says_so(system: System, gateway: GatewayProcess) -> None:
    sender = Sender("", terminal(system.settings))
    gateway.start()
    sender.url = gateway.url
    events = [review(f"C{n}", channel="terminal") for n in range(20)]
    assert {sender.send(event).status_code for event in events} == {202}
    began = time.monotonic()
    gateway.stop()
    assert time.monotonic() - began < 5
    states = dict(system.ask("select name, state from office.component where name = 'gateway'"))
    assert states == {"gateway": "stopped"}
    gateway.start()
    with system.worker():
        wait_for(lambda: system.one("select count(*) from review") == 20, 40, "all of them in the ledger")


def stopped_while_a_terminal_listens(system: System, code: str = "") -> str:
    """What the gateway says of that. RemoteProtocolError, if the terminal does not hear a proper end of its stream."""
    key, path = terminal(system.settings), "/v1/terminals/W1/invitations"
    gateway = GatewayProcess(system.settings, system.folder, code)
    gateway.start()
    signed = sign(key.device_id, key.key_id, decode(key.secret), "GET", path, b"", {})
    try:
        with httpx.stream("GET", gateway.url + path, headers=signed, timeout=20) as heard:
            lines = heard.iter_lines()
            assert next(lines) == "event: terminal"
            gateway.tell_to_stop()
            assert "event: invitation" not in lines
    finally:
        gateway.stop()
    return said(system)


def said(system: System) -> str:
    """The gateway's log."""
    return (system.folder / "gateway.log").read_text()


def test_told_to_stop_it_ends_the_streams_of_its_terminals(system: System) -> None:
    assert stopped_while_a_terminal_listens(system) == ""


def test_a_gateway_that_does_not_end_them_cuts_them_off(system: System) -> None:
    """The broken twin."""
    twin = "from producers.screen.invitations import Invitations; Invitations.end = lambda self: None"
    with pytest.raises(httpx.RemoteProtocolError):
        stopped_while_a_terminal_listens(system, twin)
    assert "Cancel 1 running task" in said(system)


@pytest.fixture
def open_gateway(system: System, tmp_path: Path) -> Iterator[House]:
    made = open_to_all(system.settings, tmp_path / "open")
    yield made
    made.close()


def test_mutants_that_were_taken_are_in_the_ledger_and_no_dead_letter_is(
    system: System, open_gateway: House
) -> None:
    """Each accepted one is in the ledger; `python -m tests.producers.gateway` sends a hundred thousand."""
    noted = asyncio.run(bombard(open_gateway, 3_000, seed=7))
    assert noted.taken.total() > 500
    assert noted.statuses[422] > 500
    fold(system, open_gateway)
    assert wrong(system, noted) == []


def test_what_was_taken_of_schemathesis_is_in_the_ledger_once(system: System, open_gateway: House) -> None:
    """Each accepted one is in the ledger, each refused one got a problem document; twenty thousand take longer."""
    seen = explore(open_gateway, 700)
    taken = {operation: len(noted.taken) for operation, noted in seen.items() if noted.taken}
    assert taken.keys() == {"POST /v1/events", "POST /v1/reviews"}
    assert min(taken.values()) > 10, taken
    fold(system, open_gateway)
    assert wrong(system, together(seen.values())) == []


def test_times_of_an_offset_that_the_database_cannot_read_are_in_the_ledger(
    system: System, open_gateway: House
) -> None:
    """RFC 3339 has it; a byte that a bad line changes makes it of +00:00."""
    at = "2026-11-02T20:00:00+20:00"
    assert open_gateway.send(review("C1", channel="terminal", submitted_at=at)).status_code == 202
    assert open_gateway.send(case("C1", served_at=at, accepted_at=at), SYSTEM).status_code == 202
    fold(system, open_gateway)
    assert system.fates() == {"stored": 2}
    midnight = datetime(2026, 11, 2, tzinfo=UTC)
    assert system.ask(
        "select submitted_at, served_at, accepted_at from review join service using (case_no)"
    ) == [(midnight,) * 3]


def test_what_is_lost_sent_twice_or_refused_by_the_worker_is_found_out(
    system: System, open_gateway: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twins of the two tests before."""
    before = open_gateway.clock()
    noted = asyncio.run(bombard(open_gateway, 100, seed=7))
    fold(system, open_gateway)
    assert wrong(system, noted) == []
    with monkeypatch.context() as broken:
        broken.setattr("schemas.reading._check_times", lambda *_: None)
        assert open_gateway.send(
            review("C1", channel="terminal", submitted_at="2999-01-01T00:00:00Z")
        ).is_success
    noted.taken["never-kept"] += 1
    open_gateway.way_in.spool.resend(before)
    fold(system, open_gateway)
    said = " ".join(wrong(system, noted))
    assert "1 lost: [('never-kept', 1)]" in said
    assert "more often than taken" in said
    assert "dead_letter among the fates" in said


def test_the_unknown_fields_of_a_device_are_in_the_raw_records(system: System, open_gateway: House) -> None:
    event = review("C1", channel="terminal", x_light={"lamp": "绿", "lux": 1.50}, Reviewer="13800001111")
    assert open_gateway.send(event).status_code == 202
    fold(system, open_gateway)
    (block,) = [bytes(data) for (data,) in system.ask("select data from raw_block where records > 0")]
    (record,) = unpack(block)
    assert record.value is not None
    assert record.value.endswith(',"x_light":{"lamp":"绿","lux":1.5}}'.encode())
    assert b"13800001111" not in record.value
    assert system.fates() == {"stored": 1}


def typed(settings: Settings, folder: Path, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
    return subprocess.run(
        [sys.executable, "-m", "deploy", *words],
        env=clean | environment(settings) | env,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_what_keeps_it_from_starting_is_one_sentence(stack: Settings, tmp_path: Path) -> None:
    stack.gateway.port = ports.claim(0, "the gateway", "")
    keyless = typed(stack, tmp_path, "gateway", HCP_SEAL="{}")
    assert (keyless.returncode, keyless.stderr.startswith("hcp: no sealing key: set HCP_SEAL__")) == (1, True)
    proxied = typed(stack, tmp_path, "gateway", HCP_GATEWAY__TRUSTED_PROXIES='["proxy.example"]')
    assert proxied.returncode == 1
    assert "proxy.example" in proxied.stderr
    assert "Traceback" not in keyless.stderr + proxied.stderr


def test_a_second_gateway_on_one_spool_is_refused(system: System, gateway: GatewayProcess) -> None:
    gateway.start()
    second = typed(system.settings, system.folder, "gateway")
    assert second.returncode == 1
    assert "is in use by process" in second.stderr
    assert "Traceback" not in second.stderr


def test_the_command_serves_until_it_is_told_to_stop(system: System) -> None:
    settings = system.settings
    settings.gateway.port = ports.claim(0, "the gateway", "")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy", "gateway"], env=clean | environment(settings), cwd=system.folder
    )
    try:
        wait_for(lambda: ports.listens(settings.gateway.port), 40, "the gateway")
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(20) in {0, -signal.SIGTERM}
