"""The register of devices: what is added, rotated and revoked, what a gateway knows of it, and what it knows without it."""

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from deploy.cli import app
from pipeline.ledger.engine import engine
from pipeline.sealing import Sealer
from pipeline.settings import Settings, environment
from producers import state
from producers.devices.device import Device
from producers.devices.managing import Office, decode, span
from producers.devices.registry import FILE, Copy, Registry
from producers.errors import DeviceError, InputError
from tests.producers.gateway.house import settings_in
from tests.wait import wait_for

TERMINAL = Device("w1", "terminal", "一号窗口", ("terminal",), "", "H1", "W1")


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


def registry(settings: Settings, folder: Path, clock: Clock | None = None) -> Registry:
    return Registry(settings, Sealer(settings.seal), folder, clock or Clock())


def secrets_of(known: Registry, device_id: str = "w1") -> dict[str, bytes]:
    sender = known.find(device_id)
    assert sender is not None
    return sender.secrets


@pytest.mark.system
def test_what_is_added_is_known_after_a_look(ledger: Settings, tmp_path: Path) -> None:
    office, known = Office(ledger), registry(ledger, tmp_path)
    key = office.add(TERMINAL)
    assert known.find("w1") is None
    assert known.refresh()
    sender = known.find("w1")
    assert sender is not None
    assert (sender.device.channels, sender.device.hall_code) == (("terminal",), "H1")
    assert sender.secrets == {"k1": decode(key.secret)}
    known.stop()


@pytest.mark.system
def test_a_secret_lies_nowhere_in_clear(ledger: Settings, tmp_path: Path) -> None:
    key, known = Office(ledger).add(TERMINAL), registry(ledger, tmp_path)
    known.refresh()
    known.stop()
    pool = engine(ledger.database, "test")
    with pool.connect() as connection:
        stored = str(connection.execute(text("select * from office.device_key")).all())
    pool.dispose()
    kept = (tmp_path / FILE).read_bytes()
    assert b"s1.test." in kept
    for clear in (key.secret, decode(key.secret).hex()):
        assert clear not in stored
        assert clear.encode() not in kept
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


@pytest.mark.system
def test_keys_follow_each_other(ledger: Settings, tmp_path: Path) -> None:
    clock = Clock()
    office, known = Office(ledger, clock), registry(ledger, tmp_path)
    keys = [
        office.add(TERMINAL),
        office.rotate("w1", timedelta(days=7)),
        office.rotate("w1", timedelta(days=30)),
    ]
    assert [key.key_id for key in keys] == ["k1", "k2", "k3"]
    known.refresh()
    assert secrets_of(known) == {key.key_id: decode(key.secret) for key in keys}
    sender = known.find("w1")
    assert sender is not None
    ends = {key.key_id: key.not_after for key in sender.device.keys}
    assert ends == {"k1": clock() + timedelta(days=7), "k2": clock() + timedelta(days=30), "k3": None}
    known.stop()


@pytest.mark.system
def test_revoked_is_for_good(ledger: Settings, tmp_path: Path) -> None:
    office, known = Office(ledger), registry(ledger, tmp_path)
    office.add(TERMINAL)
    known.refresh()
    office.revoke("w1")
    known.refresh()
    sender = known.find("w1")
    assert sender is not None
    assert sender.device.revoked_at is not None
    for again in (lambda: office.revoke("w1"), lambda: office.rotate("w1", timedelta(0))):
        with pytest.raises(DeviceError, match="was revoked"):
            again()
    with pytest.raises(DeviceError, match="already"):
        office.add(TERMINAL)
    with pytest.raises(DeviceError, match="no device w2"):
        office.revoke("w2")
    known.stop()


@pytest.mark.system
def test_without_the_database_the_last_look_holds_also_after_a_restart(
    ledger: Settings, tmp_path: Path
) -> None:
    clock = Clock()
    key, known = Office(ledger).add(TERMINAL), registry(ledger, tmp_path, clock)
    known.refresh()
    known.stop()
    gone = settings_in(tmp_path)
    gone.seal = ledger.seal
    reborn = registry(gone, tmp_path)
    assert not reborn.refresh()
    assert secrets_of(reborn) == {"k1": decode(key.secret)}
    assert reborn.read_at == clock()
    reborn.stop()


@pytest.mark.system
def test_the_copy_is_written_when_something_changed_and_once_a_minute(
    ledger: Settings, tmp_path: Path
) -> None:
    clock = Clock()
    office, known = Office(ledger), registry(ledger, tmp_path, clock)

    def written() -> datetime:
        known.refresh()
        copy = state.read(tmp_path / FILE, Copy)
        assert copy is not None
        return copy.read_at

    first = written()
    clock.now += timedelta(seconds=30)
    assert written() == first
    office.add(TERMINAL)
    second = written()
    assert second == clock()
    clock.now += timedelta(seconds=61)
    assert written() == clock()
    known.stop()


def test_a_damaged_copy_is_no_reason_not_to_start(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    known = registry(settings_in(tmp_path), tmp_path)
    assert (len(known), known.read_at) == (0, None)
    known.stop()


@pytest.mark.parametrize(
    ("device", "why"),
    [
        (Device("a b", "terminal", channels=("terminal",)), "a device's id"),
        (Device("x" * 65, "terminal", channels=("terminal",)), "a device's id"),
        (Device("w1", "terminal"), "name its --channel"),
        (Device("w1", "terminal", channels=("fax",)), "no channel is called fax"),
        (Device("w1", "system", dept_code="1" * 19), "18 characters"),
    ],
)
def test_what_is_no_device(device: Device, why: str, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=why):
        Office(settings_in(tmp_path)).add(device)


@pytest.mark.parametrize("wrong", ["", "7", "7w", "-7d", "d", "99999d"])
def test_what_is_no_span(wrong: str) -> None:
    with pytest.raises(DeviceError, match="is no time"):
        span(wrong)
    assert (span("7d"), span("12h"), span("30m")) == (
        timedelta(days=7),
        timedelta(hours=12),
        timedelta(minutes=30),
    )


@pytest.mark.parametrize("wrong", ["", "abc", "é" * 43, "A" * 42, "A" * 44])
def test_what_is_no_secret(wrong: str) -> None:
    with pytest.raises(DeviceError, match="43 letters"):
        decode(wrong)


def typed(settings: Settings, *words: str) -> Result:
    """`hcp device` with these words, and nothing of a stack that may run where the tests are started."""
    clean = {name: "" for name in os.environ if name.startswith("HCP_")}
    elsewhere = {"HCP_STACK__DATA_DIR": str(settings.gateway.spool_dir)}
    return CliRunner().invoke(app, ["device", *words], env=clean | environment(settings) | elsewhere)


@pytest.mark.system
def test_the_commands(ledger: Settings) -> None:
    added = typed(
        ledger, "add", "w1", "--kind", "terminal", "--channel", "terminal", "--window", "W1", "--json"
    )
    first = json.loads(added.stdout)["secret"]
    assert len(decode(first)) == 32
    rotated = typed(ledger, "rotate", "w1", "--overlap", "12h")
    assert "key:    k2" in rotated.stdout
    assert "not shown again" in rotated.stderr
    assert (
        typed(ledger, "add", "s1", "--kind", "system", "--any-department", "--name", "人社局").exit_code == 0
    )
    assert typed(ledger, "revoke", "s1").stdout == "s1 is revoked\n"

    listed = typed(ledger, "list").stdout
    assert "w1  terminal  terminal  */*/W1  k1 until " in listed
    assert "cases only" in listed
    assert "revoked" in listed
    told = {one["device_id"]: one for one in json.loads(typed(ledger, "list", "--json").stdout)}
    assert [key["key_id"] for key in told["w1"]["keys"]] == ["k1", "k2"]
    assert told["s1"]["revoked_at"]
    for secret in (first, rotated.stdout.split("secret: ")[1].strip()):
        assert secret not in listed + json.dumps(told)


@pytest.mark.system
def test_placeholders_are_said_at_once_or_later(ledger: Settings, tmp_path: Path) -> None:
    words = (
        "add",
        "w1",
        "--kind",
        "system",
        "--any-department",
        "--placeholder",
        "０００",
        "--placeholder",
        "TEST",
    )
    assert typed(ledger, *words).exit_code == 0
    assert typed(ledger, "placeholders", "w1").stdout.split() == ["000", "TEST"]
    assert typed(ledger, "placeholders", "w1", "无", "000 ").stdout.split() == ["000", "TEST", "无"]
    assert "placeholders 000 TEST 无" in typed(ledger, "list").stdout
    (told,) = json.loads(typed(ledger, "list", "--json").stdout)
    assert told["placeholders"] == ["000", "TEST", "无"]
    known = registry(ledger, tmp_path)
    known.refresh()
    known.stop()
    sender = known.find("w1")
    assert sender is not None
    assert sender.device.placeholders == ("000", "TEST", "无")
    assert typed(ledger, "placeholders", "w1", "--none", "9").stdout == "9\n"
    assert "no placeholders" in typed(ledger, "placeholders", "w1", "--none").stdout
    for wrong in (("placeholders", "w2"), ("placeholders", "w2", "0"), ("placeholders", "w1", " ")):
        assert isinstance(typed(ledger, *wrong).exception, DeviceError)


@pytest.mark.system
def test_a_rate_is_said_at_once_or_later(ledger: Settings, tmp_path: Path) -> None:
    assert typed(ledger, "add", "s1", "--kind", "system", "--dept", "D", "--rate", "30000").exit_code == 0
    assert "30000 events a minute" in typed(ledger, "list").stdout
    assert typed(ledger, "rate", "s1", "600").stdout == "s1 may send 600 events a minute\n"
    (told,) = json.loads(typed(ledger, "list", "--json").stdout)
    assert told["per_minute"] == 600
    known = registry(ledger, tmp_path)
    known.refresh()
    assert [sender.device.per_minute for sender in [known.find("s1")] if sender] == [600]
    assert typed(ledger, "rate", "s1").stdout == "s1 may send as many events as any other device\n"
    known.refresh()
    known.stop()
    assert [sender.device.per_minute for sender in [known.find("s1")] if sender] == [None]
    for wrong in (
        ("rate", "s2", "1"),
        ("rate", "s1", "0"),
        ("add", "s3", "--kind", "system", "--dept", "D", "--rate", "0"),
    ):
        assert isinstance(typed(ledger, *wrong).exception, DeviceError)


@pytest.mark.system
def test_version_1_is_given_a_date_at_once_or_later(ledger: Settings, tmp_path: Path) -> None:
    day = datetime.now(ledger.rules.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    soon, later = day + timedelta(days=30), day + timedelta(days=60)

    def known() -> datetime | None:
        one = registry(ledger, tmp_path)
        one.refresh()
        one.stop()
        sender = one.find("s1")
        return sender.device.version_1_until if sender else None

    assert typed(ledger, "add", "s0", "--kind", "system", "--any-department").exit_code == 0
    assert "signature version 2 only" in typed(ledger, "list").stdout
    words = ("add", "s1", "--kind", "system", "--any-department", "--version-1-until", f"{soon:%Y-%m-%d}")
    assert typed(ledger, *words).exit_code == 0
    assert known() == soon
    assert f"signature version 1 until {soon:%Y-%m-%d} 00:00:00+08:00" in typed(ledger, "list").stdout
    told = {one["device_id"]: one for one in json.loads(typed(ledger, "list", "--json").stdout)}
    assert told["s0"]["version_1_until"] is None
    assert datetime.fromisoformat(told["s1"]["version_1_until"]) == soon
    moved = typed(ledger, "version-1", "s1", f"{later:%Y-%m-%d}")
    told_until = f"s1: signature version 1 until {later:%Y-%m-%d} 00:00:00+08:00, version 2 not seen yet\n"
    assert moved.stdout == told_until
    assert typed(ledger, "version-1", "s1").stdout == told_until
    assert known() == later
    assert typed(ledger, "version-1", "s1", "--none").stdout == "s1: signature version 2 only\n"
    assert known() is None
    for wrong in (
        ("version-1", "s2"),
        ("version-1", "s1", f"{day:%Y-%m-%d}"),
        ("version-1", "s1", "9999-12-31"),
        ("version-1", "s1", "0001-01-01"),
        ("add", "s3", "--kind", "system", "--any-department", "--version-1-until", f"{day:%Y-%m-%d}"),
    ):
        assert isinstance(typed(ledger, *wrong).exception, DeviceError)
    for unread in (["tomorrow"], [f"{later:%Y-%m-%d}", "--none"]):
        assert typed(ledger, "version-1", "s1", *unread).exit_code == 2


@pytest.mark.system
def test_who_has_signed_with_version_2_is_told_once(ledger: Settings, tmp_path: Path) -> None:
    clock, until = Clock(), datetime.now(UTC) + timedelta(days=30)
    office, known = Office(ledger), registry(ledger, tmp_path, clock)
    for name in ("s1", "s2"):
        office.add(Device(name, "system", version_1_until=until))
    known.saw_version_2("s1")
    known.start()
    first = clock()
    wait_for(lambda: office.device("s1").version_2_seen_at == first, 20, "the ledger to know it")
    clock.now += timedelta(days=1)
    known.saw_version_2("s1")
    known.saw_version_2("s2")
    wait_for(lambda: office.device("s2").version_2_seen_at == clock(), 20, "the ledger to know the other")
    known.stop()
    assert office.device("s1").version_2_seen_at == first
    assert "version 2 seen" in typed(ledger, "list").stdout


def test_a_copy_of_the_release_before_refuses_nobody(tmp_path: Path) -> None:
    """The ledger may be away when the gateway comes up anew."""
    now = datetime.now(UTC)
    copy = {"read_at": now.isoformat(), "devices": [{"device_id": "w1", "kind": "terminal"}]}
    (tmp_path / FILE).write_text(json.dumps(copy))
    known = registry(settings_in(tmp_path), tmp_path)
    sender = known.find("w1")
    known.stop()
    assert sender is not None
    assert sender.device.version_1_until == now + timedelta(days=90)


@pytest.mark.system
def test_a_system_of_every_department_is_one_on_purpose(ledger: Settings) -> None:
    refused = typed(ledger, "add", "s1", "--kind", "system")
    assert refused.exit_code == 2
    assert "--any-department" in refused.stderr
    both = typed(ledger, "add", "s1", "--kind", "system", "--dept", "D", "--any-department")
    assert both.exit_code == 2
    assert json.loads(typed(ledger, "list", "--json").stdout) == []
    for words in (("s1", "--dept", "D"), ("s2", "--any-department")):
        assert typed(ledger, "add", *words, "--kind", "system").exit_code == 0
    listed = typed(ledger, "list").stdout
    assert "s1  system  cases only  D/*/*" in listed
    assert "s2  system  cases only  */*/*" in listed


@pytest.mark.system
def test_no_token_is_made_for_a_placeholder(ledger: Settings) -> None:
    office = Office(ledger)
    office.add(Device("s1", "system", placeholders=("000",)))
    clean = {name: "" for name in os.environ if name.startswith("HCP_")} | environment(ledger)
    clean["HCP_STACK__DATA_DIR"] = str(ledger.gateway.spool_dir)

    def made(number: str) -> Result:
        return CliRunner().invoke(app, ["token", "qr", "case", number, "--name", "设立登记"], env=clean)

    refused = made("０００")
    assert isinstance(refused.exception, InputError)
    assert "placeholder of the device s1" in str(refused.exception)
    assert made("MX1").exit_code == 0
    clean["HCP_DATABASE__URL"] = "postgresql://hcp:x@127.0.0.1:9/none"
    unchecked = made("000")
    assert unchecked.exit_code == 0
    assert "was not checked" in unchecked.stderr
    office.revoke("s1")
    clean |= environment(ledger)
    assert made("000").exit_code == 0


@pytest.mark.system
def test_an_empty_register_says_what_to_do(ledger: Settings) -> None:
    assert "hcp device add" in typed(ledger, "list").stdout
    assert isinstance(typed(ledger, "rotate", "w1").exception, DeviceError)
