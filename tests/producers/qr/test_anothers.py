"""Another's citizen: what one system invites for, and has reviewed, is never in the way of the citizen of another."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Literal

import httpx
import pytest

from pipeline.ledger.portion import Portion, Record
from pipeline.ledger.positions import reconcile
from pipeline.log import Watermark
from pipeline.rules.ownership import Owner
from pipeline.settings import Settings
from producers.devices.device import Device
from producers.gateway.ledger import LedgerAway
from producers.tokens import CaseToken
from schemas.identifiers import uuid7
from schemas.topics import Stream
from tests.harness import case, review
from tests.ledger.test_fold import Ledger
from tests.ledger.test_ranking import COUNTING, FIGURES, TICKETS
from tests.producers.gateway.house import UNLIMITED, Clock, House, ce_headers, key, settings_in

SECRET = b"s" * 32
DEPTS = {"a": "610326", "b": "116103260000000101"}
PATH = "/v1/invitations"
ATTEMPTS, MANY_ATTEMPTS = 300, 10_000
FOLDS = 20


def systems(settings: Settings) -> list[Device]:
    """Those of two departments, one of every department, and a terminal."""
    told: list[tuple[str, Literal["system", "terminal"], str, tuple[str, ...]]] = [
        ("a", "system", DEPTS["a"], ("app",)),
        ("b", "system", DEPTS["b"], ("app",)),
        ("platform", "system", "", ()),
        ("t", "terminal", DEPTS["b"], ("terminal",)),
    ]
    return [
        Device(name, kind, dept_code=dept, channels=channels, keys=(key(settings, name, SECRET),))
        for name, kind, dept, channels in told
    ]


def opened(settings: Settings) -> Iterator[House]:
    made = House(settings, systems(settings), Clock())
    made.clock.move(hours=-3)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[House]:
    """Its ledger is nowhere."""
    yield from opened(settings_in(tmp_path, sms_webhook="http://127.0.0.1:9/sms", **UNLIMITED))


def invite(gateway: House, device: str, case_no: str = "B1", **more: Any) -> httpx.Response:
    body = json.dumps({"case_no": case_no, "channel": "app"} | more).encode()
    headers = gateway.signed(body, PATH, device, secret=SECRET)
    return gateway.client.post(PATH, content=body, headers=headers)


def submit(gateway: House, token: str, **said: Any) -> httpx.Response:
    event = {"event_id": str(uuid7()), "satisfaction": 5, "submitted_at": gateway.clock().isoformat()} | said
    return gateway.client.post("/v1/reviews", json=event, headers={"authorization": f"Bearer {token}"})


def knowing(gateway: House, owner: Owner | None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(question: Callable[..., Any]) -> Owner | None:
        return owner

    monkeypatch.setattr(gateway.way_in.ledger, "ask", ask)


@pytest.mark.parametrize("number", [1, 2])
def test_what_anothers_link_was_used_for_is_no_409_for_the_citizens_own(gateway: House, number: int) -> None:
    theirs, own = (invite(gateway, device).json()["token"] for device in "ab")
    assert submit(gateway, theirs, review_no=number).status_code == 202
    assert gateway.client.get(f"/r/{own}").text.count('name="level"') == 5, "the form, as for the first time"
    assert submit(gateway, own, review_no=number).status_code == 202
    assert len(gateway.values()) == 2, "each is a review of its own"
    for token in (theirs, own, invite(gateway, "b").json()["token"]):
        again = submit(gateway, token, review_no=number)
        assert (again.status_code, again.json()["type"]) == (409, "urn:hcp:problem:already_reviewed")
    assert len(gateway.values()) == 2


def test_the_countys_own_link_is_another_one_too(gateway: House) -> None:
    tokens = gateway.way_in.tokens
    county = CaseToken(token_id=tokens.case_id("B1", 1), case_no="B1")
    token = tokens.make(county, gateway.clock().replace(year=2100))
    assert submit(gateway, invite(gateway, "a").json()["token"]).status_code == 202
    assert [submit(gateway, token).status_code for _ in range(2)] == [202, 409]


def test_anothers_text_message_does_not_take_the_place_of_the_own(gateway: House) -> None:
    asked = {"channel": "sms", "phone": "13800135678"}
    assert [invite(gateway, device, **asked).json()["sms"] for device in "ab"] == ["queued", "queued"]


@pytest.mark.parametrize(
    ("owner", "device", "said", "answer"),
    [
        (Owner(DEPTS["b"], "/system/b"), "b", {}, True),
        (Owner(DEPTS["b"], "/import/x"), "b", {}, True),
        (Owner(DEPTS["b"], ""), "b", {}, True),
        (Owner("another", "/system/b"), "b", {}, True),
        (Owner("another", "/system/platform"), "platform", {"dept_code": DEPTS["a"]}, True),
        (Owner(DEPTS["b"], "/system/b"), "a", {}, 403),
        (Owner(DEPTS["b"], ""), "a", {}, 403),
        (Owner(DEPTS["b"], ""), "platform", {"dept_code": DEPTS["a"]}, 403),
        (Owner(DEPTS["b"], ""), "platform", {"dept_code": DEPTS["b"]}, True),
        (Owner(DEPTS["b"], ""), "platform", {}, False),
        (None, "a", {}, False),
    ],
)
def test_an_invitation_for_a_case_that_is_known_as_anothers_is_refused(
    gateway: House,
    monkeypatch: pytest.MonkeyPatch,
    owner: Owner | None,
    device: str,
    said: dict[str, str],
    answer: bool | int,
) -> None:
    knowing(gateway, owner, monkeypatch)
    told = invite(gateway, device, **said)
    if answer == 403 and answer is not True:
        problem = told.json()
        assert (told.status_code, problem["type"], problem["field"]) == (
            403, "urn:hcp:problem:foreign_case", "case_no",
        )  # fmt: skip
        assert "B1" not in told.text
    else:
        assert (told.status_code, told.json()["verified"]) == (201, answer)


def test_a_call_to_a_terminal_for_anothers_case_is_refused(
    gateway: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/v1/terminals/W1/invite"
    body = json.dumps({"case_no": "B1"}).encode()

    def call(device: str) -> int:
        headers = gateway.signed(body, path, device, secret=SECRET)
        return gateway.client.post(path, content=body, headers=headers).status_code

    assert call("a") == 200, "the ledger is away"
    knowing(gateway, Owner(DEPTS["b"], "/system/b"), monkeypatch)
    assert [call(device) for device in "ab"] == [403, 200]


def test_a_ledger_that_is_away_refuses_nobody(gateway: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that answers that it is, nor one that hangs: `Ledger.ask` holds to its limit."""
    assert invite(gateway, "a").json()["verified"] is False

    async def hang(question: Callable[..., Any]) -> None:
        raise LedgerAway

    monkeypatch.setattr(gateway.way_in.ledger, "ask", hang)
    told = invite(gateway, "b")
    assert (told.status_code, told.json()["verified"]) == (201, False)
    assert submit(gateway, told.json()["token"]).status_code == 202


class County:
    """A gateway, its ledger, and B's citizens; A tries what it can."""

    def __init__(self, gateway: House, book: Ledger, random: Random) -> None:
        self.gateway, self.book, self.random = gateway, book, random
        self.seen = 0
        self.ends = dict.fromkeys((Stream.CASE, Stream.REVIEW), 0)
        self.refused = 0
        self.begin()

    def begin(self) -> None:
        self.book.clear()
        kafka = self.gateway.settings.kafka
        marks = [Watermark(kafka.topic(stream), 0, "id", 0, 10**6) for stream in self.ends]
        with self.book.connection.cursor() as cursor:
            cursor.execute("truncate stream_position")
            reconcile(cursor, {(mark.topic, 0) for mark in marks}, lambda: marks)
        self.book.connection.commit()
        self.seen, self.ends = 0, dict.fromkeys(self.ends, 0)

    def fold(self, without: str = "") -> None:
        """What lies in the spool since the last time; `without` what this sender is signed for."""
        rows = [row for row in self.gateway.rows() if row.seq > self.seen]
        for stream, start in self.ends.items():
            mine = [row.record for row in rows if row.record.stream == stream]
            mine = [
                one
                for one in mine
                if not without or not dict(one.headers)["hcp_edge"].endswith(without.encode())
            ]
            at = int(self.gateway.clock().timestamp() * 1000) + 1
            records = [
                Record(start + n, at, one.key, tuple(one.headers), one.value) for n, one in enumerate(mine)
            ]
            topic = self.gateway.settings.kafka.topic(stream)
            self.book.fold(Portion(stream, topic, 0, start, start + len(records), records))
            self.ends[stream] = start + len(records)
        self.seen = max([self.seen, *(row.seq for row in rows)])

    def case(self, case_no: str) -> None:
        event = case(case_no, dept_code=DEPTS["b"], served_at=self.gateway.clock().isoformat())
        assert self.send(event, "b") == 202

    def send(self, event: dict[str, Any], device: str) -> int:
        body = json.dumps(event).encode()
        headers = self.gateway.signed(body, device=device, secret=SECRET, headers=ce_headers(event))
        return self.gateway.client.post("/v1/events", content=body, headers=headers).status_code

    def citizen(self, case_no: str) -> None:
        """Reviews, and half of them follow up, by a way of their own. Nothing is refused."""
        for number in (1, 2)[: self.random.randint(1, 2)]:
            level = self.random.randint(1, 5)
            if self.random.random() < 0.5:
                token = invite(self.gateway, "b", case_no).json()["token"]
                assert submit(self.gateway, token, satisfaction=level, review_no=number).status_code == 202
            else:
                at = self.gateway.clock().isoformat()
                event = review(case_no, level, review_no=number, channel="terminal", submitted_at=at)
                assert self.send(event, "t") == 202

    def attempt(self, case_no: str) -> None:
        """A invites for the case and reviews with the link, or sends a review itself."""
        said = {"satisfaction": self.random.randint(1, 5), "review_no": self.random.randint(1, 2)}
        if self.random.random() < 0.3:
            at = self.gateway.clock().isoformat()
            self.send(review(case_no, channel="app", submitted_at=at, **said), "a")
            return
        told = invite(self.gateway, "a", case_no)
        if told.status_code == 403:
            self.refused += 1
        else:
            assert submit(self.gateway, told.json()["token"], **said).status_code in {202, 409}


def attack(ledger: Settings, attempts: int) -> None:
    """In any order among what B and its citizens do."""
    settings = ledger.model_copy(update={"gateway": ledger.gateway.model_copy(update=UNLIMITED)})
    for gateway in opened(settings):
        county = County(gateway, Ledger(ledger), Random(attempts))
        cases = [f"B{n}" for n in range(attempts // 10)]
        does = [(county.attempt, county.random.choice(cases)) for _ in range(attempts)]
        does += [(act, case_no) for case_no in cases for act in (county.case, county.citizen)]
        county.random.shuffle(does)
        for n, (act, case_no) in enumerate(does):
            gateway.clock.move(seconds=0.5)
            act(case_no)
            if n % (len(does) // FOLDS) == 0:
                county.fold()
        county.fold()
        firsts = (
            "select count(*)::int from review where effective and review_no = 1 and sender <> '/system/a'"
        )
        assert county.book.ask(firsts) == [(len(cases),)]
        assert county.refused > attempts // 10
        county.book.ask("update outbox set sent_at = now() returning 1")  # the relay is not here
        assert county.book.wrong_rows() == []
        attacked = [county.book.ask(question) for question in (COUNTING, TICKETS, FIGURES)]
        county.begin()
        county.fold(without="/system/a")
        assert [county.book.ask(question) for question in (COUNTING, TICKETS, FIGURES)] == attacked


@pytest.mark.system
def test_whatever_a_tries_bs_reviews_tickets_and_figures_are_what_they_were(ledger: Settings) -> None:
    attack(ledger, ATTEMPTS)


@pytest.mark.system
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_whatever_a_tries_ten_thousand_times(ledger: Settings) -> None:
    attack(ledger, MANY_ATTEMPTS)
