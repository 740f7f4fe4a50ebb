"""A county in miniature through a gateway in this process: what it took lies in its spool, once, and the tally knows it."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop
from msgspec.structs import replace

from pipeline.rules.policy import COUNTY_ZONE
from producers.simulation.miniature import Miniature
from producers.simulation.plan import plan, reinstalled
from producers.simulation.senders import senders
from producers.simulation.step import Trouble
from producers.simulator.asking import Asker, Stopped
from producers.simulator.connection import Request
from producers.simulator.courier import Shared
from producers.simulator.run import Order, _run
from producers.simulator.tally import Tally
from producers.spool.http_sink import Sender
from schemas.cloudevents import SENT_DIGEST
from schemas.events import ReviewEvent
from tests.producers.gateway.house import House, key, settings_in
from tests.serving import served

TUESDAY = datetime(2026, 3, 3, tzinfo=COUNTY_ZONE)
COUNTY = Miniature(5, TUESDAY, 1, rate=400, halls=1, bad=0.3)
POST = Request("POST", "/x", {})


class Sent:
    """A county that has been sent: the tally, and what lies in the gateway's spool."""

    def __init__(
        self,
        folder: Path,
        county: Miniature,
        *,
        seconds: float = 0.0,
        speed: float | None = None,
        pace: float = 0.0,
        **gateway: Any,
    ) -> None:
        settings = settings_in(folder, **gateway)
        enrolled = {
            device.device_id: Sender(f"sim-{device.device_id}", "k1", secrets.token_bytes(32))
            for device in senders(county)
        }
        known = [
            replace(
                device, device_id=sender.device_id, keys=(key(settings, sender.device_id, sender.secret),)
            )
            for device, sender in zip(senders(county), enrolled.values(), strict=True)
        ]
        house = House(settings, known)
        with served(house.app, lifespan="off") as url:
            tokens = house.way_in.tokens
            shared = Shared(url, enrolled, tokens, Tally(), {}, asyncio.Event())
            order = Order(county, url, speed, pace, 8, seconds)
            self.tally = uvloop.run(_run(order, shared, lambda _: None))
        self.rows = house.rows()
        house.close()


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Sent:
    return Sent(tmp_path_factory.mktemp("sent"), COUNTY, trusted_proxies=["127.0.0.1"])


def test_what_was_taken_lies_in_the_spool_once_and_nothing_else(sent: Sent) -> None:
    ids = [row.record.event_id for row in sent.rows]
    assert sorted(ids) == sorted(sent.tally.taken)
    assert len(ids) > 300
    assert not sent.tally.unanswered
    assert not sent.tally.again


def test_nothing_of_the_plan_is_missing_but_what_a_link_admits_once(sent: Sent) -> None:
    steps = list(plan(COUNTY))
    assert len(sent.tally.taken) + sent.tally.refused.total() == len(steps)
    assert set(sent.tally.refused) <= {"already_reviewed", "page_409"}
    again = sum(step.trouble is Trouble.AGAIN for step in steps)
    assert sent.tally.done == len(steps) + again
    assert again > 0


def test_chains_are_whole_but_for_the_terminal_that_was_installed_anew(sent: Sent) -> None:
    heads: dict[str, tuple[int, str]] = defaultdict(lambda: (0, ""))
    begun_again = []
    for row in sent.rows:
        if row.record.stream != "review.v1":
            continue
        event = msgspec.json.decode(row.record.value, type=ReviewEvent)
        if event.device_seq is None:
            continue
        before = heads[event.device_id]
        if event.device_seq == 1 and before[0]:
            begun_again.append(event.device_id)
        else:
            assert (event.device_seq, event.device_prev or "") == (before[0] + 1, before[1])
        heads[event.device_id] = event.device_seq, dict(row.record.headers)[SENT_DIGEST].decode()
    assert begun_again == [f"sim-{reinstalled(COUNTY)}"]
    assert len(heads) > 15


def test_no_identity_leaves_the_gateway_in_clear(sent: Sent) -> None:
    named = [
        event for event in sent.tally.taken.values() if isinstance(event, ReviewEvent) and event.real_name
    ]
    assert named
    assert all(b'"\xe6\xa8\xa1\xe6\x8b\x9f"' not in row.record.value for row in sent.rows)
    assert all(b'"phone"' not in row.record.value for row in sent.rows)


def test_citizens_of_one_address_are_held_back_and_terminals_are_not(tmp_path: Path) -> None:
    held = Sent(tmp_path, COUNTY._replace(rate=60), seconds=4, address_per_minute=5)
    assert held.tally.again["too_many"] > 0
    assert held.tally.by_way["chain"] > 10
    assert held.tally.by_way["token"] + held.tally.by_way["form"] <= 5


def test_an_hour_of_the_county_lasts_as_long_as_its_speed_says(tmp_path: Path) -> None:
    morning = COUNTY._replace(began=TUESDAY + timedelta(hours=9), days=1 / 24, rate=300)
    last = list(plan(morning))[-1]
    hour = Sent(tmp_path, morning, speed=1_800, trusted_proxies=["127.0.0.1"])
    assert hour.tally.seconds >= (last.at - morning.began).total_seconds() / 1_800
    assert sorted(row.record.event_id for row in hour.rows) == sorted(hour.tally.taken)
    assert len(hour.rows) > 20


def test_a_pace_counts_events_also_those_of_a_batch(tmp_path: Path) -> None:
    night = COUNTY._replace(days=1.5, rate=300)
    paced = Sent(tmp_path, night, pace=250, trusted_proxies=["127.0.0.1"])
    assert paced.tally.by_way["batch"] > 2 * len(paced.tally.answers["batch"]) > 0
    assert paced.tally.seconds >= len(list(plan(night))) / 250 - 0.1


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Any]


async def ask_of(script: Script, asking: Callable[[Asker, asyncio.Event], Any]) -> Tally:
    """A server that does as the script says, with the number of the connection, and an asker before it."""
    calls = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        await script(reader, writer, calls)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    tally, stop = Tally(), asyncio.Event()
    asker = Asker(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", tally, stop)
    try:
        await asking(asker, stop)
    finally:
        asker.close()
        server.close()
    return tally


async def hang_up_then_take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: int) -> None:
    await reader.readuntil(b"\r\n\r\n")
    if call == 2:
        writer.write(b"HTTP/1.1 503 Full\r\nretry-after: 0\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
    elif call > 2:
        writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}")


def test_an_answer_that_was_lost_is_asked_for_again() -> None:
    async def asking(asker: Asker, _: asyncio.Event) -> None:
        answer = await asker.ask("single", ["e1"], lambda: POST)
        assert (answer.status, answer.body) == (202, b"{}")

    tally = asyncio.run(ask_of(hang_up_then_take, asking))
    assert tally.again == {"IncompleteReadError": 1, "page_503": 1}
    assert not tally.unanswered, "it was answered in the end"


async def take_and_hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}")


def test_a_connection_that_the_server_has_closed_is_opened_again_and_nothing_counts_as_lost() -> None:
    async def asking(asker: Asker, _: asyncio.Event) -> None:
        for _n in range(3):
            assert (await asker.ask("single", ["e1"], lambda: POST)).status == 202
            reader = asker._connection._streams[0]  # type: ignore[index]  # it is open
            await reader.read()

    assert not asyncio.run(ask_of(take_and_hang_up, asking)).again


def test_what_had_no_answer_when_it_was_stopped_is_known_to_be_unknown() -> None:
    async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter, __: int) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async def asking(asker: Asker, stop: asyncio.Event) -> None:
        asyncio.get_running_loop().call_later(0.3, stop.set)
        with pytest.raises(Stopped):
            await asker.ask("single", ["e1"], lambda: POST)
        with pytest.raises(Stopped):
            await asker.ask("single", ["e2"], lambda: POST)

    tally = asyncio.run(ask_of(hang_up, asking))
    assert tally.unanswered == {"e1"}, "the second was never sent"
