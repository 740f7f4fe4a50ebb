"""Text messages: handed over once the webhook takes them, tried again until then, forgotten when their link expires."""

import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from typer.testing import CliRunner

from pipeline.runtime.logs import Lines
from pipeline.sealing import Sealer
from producers.cli import app
from producers.errors import InputError
from producers.qr.sms.outbox import FIRST_SECONDS, MOST_SECONDS, Outbox
from producers.qr.sms.store import FILE
from producers.qr.sms.webhook import Message, NotTaken, Refused, post
from tests.producers.gateway.house import Clock, settings_in
from tests.wait import wait_for

PHONE, MENDED, URL = "13800135678", "13900135678", "https://hcp.example/r/x"


class Hook:
    """Takes what it is given, or does not."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.refuses = False
        self.refusal: Exception = NotTaken("status 503")
        self.stumbles_over = ""
        self.meanwhile: Callable[[], object] = bool
        self.tries = 0

    def __call__(self, _: str, message: Message) -> None:
        self.tries += 1
        self.meanwhile()
        if message.url == self.stumbles_over:
            raise OverflowError(message.phone)
        if self.refuses:
            raise self.refusal
        self.taken.append(message)


class Post:
    """An outbox, its clock and its hook."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.hook = folder, Clock(), Hook()
        self.sealer = Sealer(settings_in(folder).seal)
        self.outbox = self.opened()

    def opened(self) -> Outbox:
        return Outbox(self.folder, "http://127.0.0.1:9", self.sealer, self.clock, self.hook)

    def add(self, name: str = "t1", phone: str = PHONE) -> bool:
        return self.outbox.add(name, phone, f"{URL}/{name}", self.clock() + timedelta(days=1))


@pytest.fixture
def outgoing(tmp_path: Path) -> Iterator[Post]:
    made = Post(tmp_path)
    yield made
    made.outbox.stop()


def test_it_is_handed_over_once(outgoing: Post) -> None:
    assert outgoing.add()
    assert [outgoing.outbox.hand_over_due(), outgoing.outbox.hand_over_due()] == [1, 0]
    (message,) = outgoing.hook.taken
    assert (message.phone, message.url) == (PHONE, f"{URL}/t1")
    assert message.url in message.text
    assert not outgoing.add(), "a second invitation for the same service sends no second message"
    assert outgoing.outbox.waiting() == 0


def test_until_it_is_sent_a_corrected_number_takes_its_place(outgoing: Post) -> None:
    outgoing.add()
    outgoing.hook.refuses = True
    outgoing.outbox.hand_over_due()
    outgoing.hook.refuses = False
    assert outgoing.add(phone=MENDED)
    assert outgoing.outbox.waiting() == 1
    assert outgoing.outbox.hand_over_due() == 1, "it does not wait as the wrong one had to"
    assert [message.phone for message in outgoing.hook.taken] == [MENDED]
    assert not outgoing.add(), "a citizen gets one message"


@pytest.mark.parametrize("refuses", [True, False])
def test_a_number_that_is_corrected_while_the_wrong_one_is_tried_is_not_lost(
    outgoing: Post, refuses: bool
) -> None:
    outgoing.add()
    outgoing.hook.refuses = refuses
    outgoing.hook.meanwhile = lambda: outgoing.add(phone=MENDED)
    outgoing.outbox.hand_over_due()
    outgoing.hook.refuses, outgoing.hook.meanwhile = False, bool
    assert outgoing.outbox.hand_over_due() == 1
    assert outgoing.hook.taken[-1].phone == MENDED


def test_an_invitation_that_comes_again_while_its_message_is_sent_sends_no_second_one(outgoing: Post) -> None:
    outgoing.add()
    outgoing.hook.meanwhile = outgoing.add
    assert [outgoing.outbox.hand_over_due(), outgoing.outbox.hand_over_due()] == [1, 0]


def test_a_file_of_an_earlier_version_is_read(outgoing: Post) -> None:
    outgoing.add()
    outgoing.outbox.stop()
    with sqlite3.connect(outgoing.folder / FILE) as connection:
        connection.execute("alter table message drop column id")
        connection.execute("alter table message drop column refused")
    connection.close()
    outgoing.outbox = outgoing.opened()
    assert outgoing.outbox.hand_over_due() == 1
    assert outgoing.outbox.waiting() == 0


def test_it_is_tried_again_later_and_later(outgoing: Post) -> None:
    outgoing.add()
    outgoing.hook.refuses = True
    waits = []
    for _ in range(10):
        outgoing.outbox.hand_over_due()
        tries, waited = outgoing.hook.tries, 0
        while outgoing.hook.tries == tries:
            outgoing.clock.move(seconds=1)
            waited += 1
            outgoing.outbox.hand_over_due()
        waits.append(waited)
        outgoing.hook.tries = 0
    assert waits[0] >= FIRST_SECONDS
    assert sorted(waits) == waits
    assert waits[-1] == MOST_SECONDS
    outgoing.hook.refuses = False
    outgoing.clock.move(seconds=MOST_SECONDS)
    assert outgoing.outbox.hand_over_due() == 1


def test_a_message_that_was_tried_for_weeks_waits_no_longer_than_the_others(outgoing: Post) -> None:
    outgoing.add()
    outgoing.hook.refuses = True
    with sqlite3.connect(outgoing.folder / FILE) as connection:
        connection.execute("update message set tries = 1024")
    connection.close()
    assert outgoing.outbox.hand_over_due() == 0
    outgoing.hook.refuses = False
    outgoing.clock.move(seconds=MOST_SECONDS)
    assert outgoing.outbox.hand_over_due() == 1


def test_a_message_that_nothing_can_be_done_with_keeps_no_other_back(
    outgoing: Post, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    outgoing.add("t1")
    outgoing.add("t2")
    outgoing.hook.stumbles_over = f"{URL}/t1"
    assert outgoing.outbox.hand_over_due() == 1
    assert outgoing.outbox.waiting() == 1
    (line,) = [Lines().format(record) for record in caplog.records]
    assert line.endswith("sms_not_taken why=OverflowError tries=1")


def test_a_defect_does_not_end_the_thread(outgoing: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = threading.Event()

    def fail(*_: object) -> int:
        failed.set()
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(outgoing.outbox._store, "forget", fail)
        outgoing.outbox.start()
        assert failed.wait(10)
    outgoing.add()
    wait_for(lambda: outgoing.hook.taken, 10, "the message")


def test_a_restart_goes_on(outgoing: Post) -> None:
    outgoing.add()
    outgoing.outbox.stop()
    outgoing.outbox = outgoing.opened()
    outgoing.outbox.start()
    wait_for(lambda: outgoing.hook.taken, 10, "the message")


def test_an_expired_link_is_not_sent(outgoing: Post) -> None:
    outgoing.add()
    outgoing.clock.move(days=1)
    assert outgoing.outbox.hand_over_due() == 0
    assert (outgoing.hook.tries, outgoing.outbox.waiting()) == (0, 0)


def test_the_file_has_no_number_and_after_sending_nothing_at_all(outgoing: Post) -> None:
    outgoing.add()
    assert PHONE.encode() not in b"".join(file.read_bytes() for file in outgoing.folder.iterdir())
    outgoing.outbox.hand_over_due()
    with sqlite3.connect(outgoing.folder / FILE) as connection:
        assert connection.execute("select sealed from message").fetchall() == [("",)]
    connection.close()


def test_a_message_of_a_lost_key_does_not_stop_the_others(outgoing: Post) -> None:
    outgoing.add("lost")
    with sqlite3.connect(outgoing.folder / FILE) as connection:
        connection.execute("update message set sealed = 's1.gone.x'")
    connection.close()
    outgoing.add("kept")
    assert outgoing.outbox.hand_over_due() == 1
    assert outgoing.outbox.waiting() == 1


@pytest.fixture
def refused(outgoing: Post) -> Post:
    """Its one message was refused."""
    outgoing.add()
    outgoing.hook.refuses, outgoing.hook.refusal = True, Refused("status 422")
    assert outgoing.outbox.hand_over_due() == 0
    outgoing.hook.refuses = False
    return outgoing


def command(*words: str) -> str:
    done = CliRunner().invoke(app, ["sms", *words], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_what_is_refused_is_tried_no_more_and_told(refused: Post) -> None:
    refused.clock.move(hours=23)
    assert refused.outbox.hand_over_due() == 0
    assert refused.hook.tries == 1
    assert told("hcp_gateway_sms_waiting", "hcp_gateway_sms_refused") == [0, 1]
    said = json.loads(command("status", "--folder", str(refused.folder)))
    assert said == {"waiting": 0, "refused": {"status 422": 1}}
    refused.clock.move(hours=1)
    refused.outbox.hand_over_due()
    assert told("hcp_gateway_sms_waiting", "hcp_gateway_sms_refused") == [0, 0], "its link has expired"


def told(*names: str) -> list[float | None]:
    """What the metrics say."""
    return [REGISTRY.get_sample_value(name) for name in names]


def test_a_corrected_number_takes_the_place_of_a_refused_one(refused: Post) -> None:
    assert refused.add(phone=MENDED)
    assert refused.outbox.hand_over_due() == 1
    assert told("hcp_gateway_sms_waiting", "hcp_gateway_sms_refused") == [0, 0]


def test_what_was_refused_goes_once_its_reason_is_mended(refused: Post) -> None:
    assert command("retry", "--folder", str(refused.folder)) == "1 messages wait again\n"
    assert refused.outbox.hand_over_due() == 1


def test_where_no_message_was_ever_kept_the_command_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="HCP_GATEWAY__SMS_WEBHOOK"):
        command("status", "--folder", str(tmp_path))


class Server(BaseHTTPRequestHandler):
    """Answers with the status of its path, and keeps what it was sent."""

    seen: list[tuple[str, Any]] = []  # noqa: RUF012  one list for all of a test's requests

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, json.loads(body)))
        self.send_response(int(self.path.strip("/")))
        self.send_header("Location", "/200")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Server.seen.clear()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_over_http() -> None:
    message = Message("t1", PHONE, URL, "请您评价")
    with served() as url:
        post(f"{url}/202", message)
        for status in (302, 408, 429, 503):
            with pytest.raises(NotTaken, match=f"^status {status}$"):
                post(f"{url}/{status}", message)
        for status in (400, 404, 422):
            with pytest.raises(Refused, match=f"^status {status}$"):
                post(f"{url}/{status}", message)
        paths = [path for path, _ in Server.seen]
        assert paths == [f"/{status}" for status in (202, 302, 408, 429, 503, 400, 404, 422)], "no redirect"
        assert Server.seen[0][1] == {"id": "t1", "phone": PHONE, "url": URL, "text": "请您评价"}
    with pytest.raises(NotTaken, match="ConnectionRefusedError"):
        post(url, message)
