"""For what a device may speak: its channels, its place, itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from producers.devices.device import Device
from tests.harness import DEPT, case, review
from tests.producers.gateway.house import SECRETS, SYSTEM, TERMINAL, House, key, settings_in


def send(folder: Path, event: dict[str, Any], **device: Any) -> tuple[int, dict[str, Any]]:
    """What a device of this kind gets for this event; and what is kept of it, if it is taken."""
    settings = settings_in(folder)
    name = {"terminal": TERMINAL, "system": SYSTEM}[device["kind"]]
    others = [Device("known-to-us", "terminal", channels=("terminal",))]
    gateway = House(settings, [Device(name, **device, keys=(key(settings, name, SECRETS[name]),)), *others])
    answer = gateway.send(event, name)
    kept = gateway.values()
    gateway.close()
    assert bool(kept) == (answer.status_code == 202)
    return answer.status_code, kept[0] if kept else answer.json()


PLACED: dict[str, Any] = {"dept_code": DEPT, "hall_code": "H1", "window_code": "W1"}


@pytest.mark.parametrize("field", ["dept_code", "hall_code", "window_code"])
def test_a_place_that_is_left_out_is_filled_in_and_another_is_refused(tmp_path: Path, field: str) -> None:
    device = {"kind": "terminal", "channels": ("terminal",), **PLACED}
    status, kept = send(tmp_path / "a", review("C1", channel="terminal"), **device)
    assert status == 202
    assert kept | PLACED == kept
    status, kept = send(tmp_path / "b", review("C1", channel="terminal", **PLACED), **device)
    assert status == 202
    elsewhere = review("C1", channel="terminal") | {field: "other"}
    status, problem = send(tmp_path / "c", elsewhere, **device)
    assert status == 403
    assert (problem["type"], problem["field"]) == ("urn:hcp:problem:foreign_place", field)
    assert "other" not in json.dumps(problem)


def test_a_field_that_a_device_has_not_is_free(tmp_path: Path) -> None:
    device = {"kind": "terminal", "channels": ("terminal",), "hall_code": "H1"}
    status, kept = send(tmp_path, review("C1", channel="terminal", window_code="W9"), **device)
    assert (status, kept["window_code"], kept["hall_code"]) == (202, "W9", "H1")
    assert "dept_code" not in kept


@pytest.mark.parametrize(
    ("channels", "channel", "status"),
    [
        (("terminal",), "terminal", 202),
        (("terminal",), "qr", 403),
        (("terminal", "default"), "default", 202),
        ((), "terminal", 403),
    ],
)
def test_only_its_own_channels(tmp_path: Path, channels: tuple[str, ...], channel: str, status: int) -> None:
    got, document = send(tmp_path, review("C1", channel=channel), kind="system", channels=channels)
    assert got == status
    assert status == 202 or document["type"].endswith("foreign_channel")


def test_a_terminal_sends_no_cases(tmp_path: Path) -> None:
    status, problem = send(tmp_path, case("C1"), kind="terminal", channels=("terminal",))
    assert (status, problem["type"]) == (403, "urn:hcp:problem:foreign_kind")


def test_a_system_without_channels_sends_cases_of_its_own_department(tmp_path: Path) -> None:
    assert send(tmp_path / "a", case("C1"), kind="system")[0] == 202
    status, kept = send(tmp_path / "b", case("C1"), kind="system", dept_code=DEPT)
    assert (status, kept["source"]) == (202, SYSTEM)
    status, kept = send(tmp_path / "c", case("C1", source="own-name"), kind="system")
    assert (status, kept["source"]) == (202, "own-name")
    status, problem = send(tmp_path / "d", case("C1"), kind="system", dept_code="116103260000000999")
    assert (status, problem["field"]) == (403, "dept_code")


@pytest.mark.parametrize(
    ("kind", "named", "kept"),
    [
        ("terminal", "", TERMINAL),
        ("terminal", TERMINAL, TERMINAL),
        ("terminal", "another", None),
        ("terminal", "known-to-us", None),
        ("system", "", ""),
        ("system", SYSTEM, SYSTEM),
        ("system", "kiosk-of-its-own", "kiosk-of-its-own"),
        ("system", "known-to-us", None),
    ],
)
def test_whose_device_it_is(tmp_path: Path, kind: str, named: str, kept: str | None) -> None:
    event = review("C1", channel="terminal") | ({"device_id": named} if named else {})
    status, document = send(tmp_path, event, kind=kind, channels=("terminal",))
    assert status == (403 if kept is None else 202)
    if kept is None:
        assert document["field"] == "device_id"
    else:
        assert document.get("device_id", "") == kept
