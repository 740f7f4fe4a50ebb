"""Who is called at which window: for a minute, by a system of the place, heard by that window's terminal alone."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import httpx
import msgspec
import pytest

from producers.devices.device import Device
from producers.devices.registry import Sender
from producers.gateway.asking import asked
from producers.screen import stream
from producers.screen.invitations import Invitation, Invitations, Mailbox
from producers.screen.shell import Shell
from schemas.reading import Invalid
from tests.producers.gateway.house import SYSTEM, TERMINAL, House, devices, key, settings_in

OTHER = "system-2"
SECRET = bytes(range(32))


class Seconds:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def invitations(clock: Seconds) -> Invitations:
    return Invitations(clock)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """With a second system, of another department, hall and window."""
    settings = settings_in(tmp_path)
    other = Device(OTHER, "system", "", (), "D2", "H2", "W2", keys=(key(settings, OTHER, SECRET),))
    made = House(settings, [*devices(settings), other])
    yield made
    made.close()


def taken(mailbox: Mailbox) -> str | None:
    """The case that is in it."""
    call = asyncio.run(mailbox.take(0.01))
    return call.invitation.case_no if call else None


def test_a_call_is_heard_by_every_page_of_its_window_and_by_no_other(invitations: Invitations) -> None:
    with (
        invitations.listening("W1", "") as one,
        invitations.listening("W1", "") as two,
        invitations.listening("W2", "") as other,
    ):
        assert invitations.call("W1", Invitation("C1"))
        assert [taken(one), taken(two), taken(other)] == ["C1", "C1", None]


def test_nobody_listening_is_told_and_who_comes_within_a_minute_hears_it(
    invitations: Invitations, clock: Seconds
) -> None:
    assert not invitations.call("W1", Invitation("C1"))
    clock.now = 59.9
    with invitations.listening("W1", "") as late:
        assert taken(late) == "C1"
    clock.now = 60
    with invitations.listening("W1", "") as too_late:
        assert taken(too_late) is None


def test_a_newer_call_replaces_the_older(invitations: Invitations) -> None:
    with invitations.listening("W1", "") as listening:
        invitations.call("W1", Invitation("C1"))
        invitations.call("W1", Invitation("C2"))
        assert [taken(listening), taken(listening)] == ["C2", None]
    with invitations.listening("W1", "") as late:
        assert taken(late) == "C2"


def test_who_has_gone_hears_nothing(invitations: Invitations) -> None:
    with invitations.listening("W1", ""):
        pass
    assert not invitations.call("W1", Invitation("C1"))


@pytest.mark.parametrize(
    ("hall", "called", "heard"), [("H1", "H1", True), ("H1", "", True), ("", "H1", True), ("H1", "H2", False)]
)
def test_two_halls_may_number_their_windows_alike(
    invitations: Invitations, hall: str, called: str, heard: bool
) -> None:
    with invitations.listening("W1", hall) as mailbox:
        assert invitations.call("W1", Invitation("C1", hall_code=called)) is heard
        assert (taken(mailbox) == "C1") is heard


def test_what_the_citizen_is_called_is_left_out_and_text_is_cleaned() -> None:
    said = {"case_no": " C1\u0000 ", "item_name": "社保\u0007", "phone": "13800135678", "name": "张三"}
    assert asked(json.dumps(said).encode(), Invitation) == Invitation("C1", item_name="社保")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b'{"a":' * 5000, "not_json"),
        (b"[]", "not_an_object"),
        (b"{}", "missing_field"),
        (b'{"case_no": "  "}', "out_of_range"),
        (b'{"case_no": 1}', "wrong_type"),
        (b'{"case_no": "C1", "service_no": 0}', "out_of_range"),
        (b'{"case_no": "' + b"C" * 65 + b'"}', "out_of_range"),
    ],
)
def test_what_is_no_invitation_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        asked(body, Invitation)
    assert refused.value.reason == reason


def invite(house: House, device: str = SYSTEM, window: str = "W1", **said: Any) -> httpx.Response:
    body, path = json.dumps({"case_no": "C1"} | said).encode(), f"/v1/terminals/{window}/invite"
    options = {"secret": SECRET} if device == OTHER else {}
    return house.client.post(path, content=body, headers=house.signed(body, path, device, **options))


def test_a_system_calls_at_any_window_of_its_own(house: House) -> None:
    assert invite(house).json() == {"delivered": False}
    assert invite(house, OTHER, "W2").json() == {"delivered": False}


@pytest.mark.parametrize(
    ("device", "window", "said", "field"),
    [
        (TERMINAL, "W1", {}, "device_id"),
        (OTHER, "W1", {}, "window_code"),
        (OTHER, "W2", {"dept_code": "D1"}, "dept_code"),
        (OTHER, "W2", {"hall_code": "H1"}, "hall_code"),
    ],
)
def test_nobody_calls_for_another(
    house: House, device: str, window: str, said: dict[str, str], field: str
) -> None:
    answer = invite(house, device, window, **said)
    assert (answer.status_code, answer.json()["field"]) == (403, field)


def test_a_call_is_signed_and_made_once(house: House) -> None:
    body, path = b'{"case_no": "C1"}', "/v1/terminals/W1/invite"
    assert house.client.post(path, content=body).status_code == 401
    headers = house.signed(body, path, SYSTEM)
    assert house.client.post(path, content=body, headers=headers).status_code == 200
    assert house.client.post(path, content=body, headers=headers).status_code == 409


def listen(house: House, device: str, window: str) -> httpx.Response:
    path = f"/v1/terminals/{window}/invitations"
    return house.client.get(path, headers=house.signed(b"", path, device, method="GET"))


@pytest.mark.parametrize(("device", "window"), [(SYSTEM, "W1"), (TERMINAL, "W2")])
def test_only_the_windows_own_terminal_listens(house: House, device: str, window: str) -> None:
    assert listen(house, device, window).status_code == 403


def test_a_stream_says_who_the_terminal_is_and_lives_for_a_while(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(stream, "LIFE_SECONDS", 0.05)
    invite(house, item_name="社保")
    answer = listen(house, TERMINAL, "W1")
    assert answer.headers["content-type"].startswith("text/event-stream")
    first, second, *rest = answer.text.split("\n\n")
    assert first == 'event: terminal\ndata: {"name":"","channel":"terminal","hall_code":"H1"}'
    name, data = second.split("\n")
    assert name == "event: invitation"
    called = json.loads(data.removeprefix("data: "))
    assert called.pop("call_id")
    assert called == {"case_no": "C1", "item_name": "社保"}
    assert set(rest) == {": ", ""}


async def told(heard: AsyncIterator[bytes]) -> bytes:
    """The rest of a stream."""
    return b"".join([part async for part in heard])


def test_a_stream_ends_when_the_gateway_does_and_not_before_a_call_that_came_is_told() -> None:
    async def story() -> tuple[bytes, bytes, bytes]:
        ours = Invitations()
        called, idle = (stream.heard(terminal, window, ours, lambda: True) for window in ("W1", "W2"))
        for one in (called, idle):
            assert b"terminal" in await anext(one)
        waiting = asyncio.create_task(told(idle))
        await asyncio.sleep(0)
        ours.call("W1", Invitation("C1"))
        ours.end()
        late = stream.heard(terminal, "W3", ours, lambda: True)
        return await told(called), await waiting, await told(late)

    terminal = devices(settings_in(Path("nowhere")))[0]
    called, idle, late = asyncio.run(asyncio.wait_for(story(), 5))
    assert b"C1" in called
    assert idle == b": \n\n"
    assert late.count(b"event: ") == 1


@pytest.mark.parametrize(
    "change", [{"revoked_at": datetime.now(UTC)}, {"window_code": "W2"}, {"keys": ()}, None]
)
def test_a_stream_ends_as_soon_as_its_device_is_not_what_it_was(
    house: House, change: dict[str, Any] | None
) -> None:
    """Revoked, moved to another window, given another key, or gone; a call that came at that moment is not told."""
    registry, (terminal, *others) = house.way_in.devices, devices(house.settings)
    terminal = cast(Sender, registry.find(terminal.device_id)).device

    async def story() -> tuple[bytes, bytes]:
        ours = Invitations()
        registry.changed.append(ours.look_again)
        heard = stream.heard(terminal, "W1", ours, partial(registry.has_still, terminal))
        assert b"terminal" in await anext(heard)
        waiting = asyncio.create_task(told(heard))
        await asyncio.to_thread(learn, [terminal, *others, Device("new", "system")])
        await asyncio.sleep(0)
        assert not waiting.done(), "another device was added"
        ours.call("W1", Invitation("C1"))
        await asyncio.sleep(0)
        ours.call("W1", Invitation("C2"))
        changed = [] if change is None else [msgspec.structs.replace(terminal, **change)]
        learn([*changed, *others])
        return await asyncio.wait_for(waiting, 5), await told(
            stream.heard(terminal, "W1", ours, partial(registry.has_still, terminal))
        )

    def learn(known: list[Device]) -> None:
        with (
            patch("producers.devices.registry.all_devices", return_value=known),
            patch.object(registry, "_ledger"),
        ):
            assert registry.refresh()

    heard, late = asyncio.run(story())
    assert b"C2" not in heard
    assert b"event: invitation" not in late


def test_the_page_and_its_files_are_there_for_everybody_and_nothing_else_is(house: House) -> None:
    page = house.client.get("/terminal/W1")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.content == house.client.get("/terminal/W2").content
    script = house.client.get("/terminal/static/main.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    for missing in ("screen.css", "worker.js", "..%2Froutes.py", "nothing"):
        assert house.client.get(f"/terminal/static/{missing}").status_code == 404


def test_the_worker_knows_every_file_and_changes_with_each(house: House) -> None:
    worker = house.client.get("/terminal/worker.js")
    assert "connect-src 'self'" in worker.headers["content-security-policy"]
    shell, page = Shell(), house.client.get("/terminal/shell").content
    assert shell.worker(page) == worker.content
    kept = json.loads(worker.text.split("SHELL = ")[1].split(";")[0])
    assert [house.client.get(path).status_code for path in kept] == [200] * len(kept)
    assert "/terminal/static/main.js" in kept
    versions = {shell.worker(page), shell.worker(page + b" ")}
    for name in shell.files:
        other = Shell()
        other.files[name] += b" "
        versions.add(other.worker(page))
    assert len(versions) == len(shell.files) + 2
