"""The edge's signature: made for one record, worth nothing on another; and which time of receipt counts. No servers."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.edge import HEADER, MOST, MOST_SENDER, Edge, Vouched
from pipeline.ledger.decode import Decoded, decode
from pipeline.ledger.portion import Headers, Portion, Record
from pipeline.ledger.raw import unpack
from pipeline.ledger.reviewers import MARK
from pipeline.rules.records import AnyEntry
from pipeline.seal_keys import Seal
from pipeline.sealing import Sealer
from schemas.topics import Stream
from tests.harness import review
from tests.ledger.test_sealing import NEW, OLD, ring

SEALER = Sealer(ring("a", a=OLD))
EDGE = SEALER.edge
T = datetime(2026, 11, 1, tzinfo=UTC)
"""From here on claims need a signature."""
APPENDED = datetime(2026, 11, 20, 9, tzinfo=UTC)
EARLIER = APPENDED - timedelta(days=300)
VALUE = b'{"a": 1}'


def made(**other: Any) -> bytes:
    """A header for one record, or for another one."""
    about: dict[str, Any] = {
        "topic": "t",
        "event_id": "e",
        "received_at": EARLIER,
        "sender": "/system/a",
        "value": VALUE,
    }
    return EDGE.sign(**(about | other))[1]


def test_a_signature_says_who_and_when_of_the_record_it_was_made_for() -> None:
    assert EDGE.sign("t", "e", EARLIER, "/system/a", VALUE) == (HEADER, made())
    local = EARLIER.astimezone(datetime.now().astimezone().tzinfo)
    assert made(received_at=local) == made(), "one instant, the same bytes"
    assert EDGE.verify(made(), "t", "e", VALUE) == Vouched("/system/a", EARLIER)
    odd = "/import/眉县;1\0"
    assert EDGE.verify(made(sender=odd), "t", "e", VALUE) == Vouched(odd, EARLIER)


@pytest.mark.parametrize(
    "other",
    [
        {"topic": "u"},
        {"event_id": "f"},
        {"value": VALUE + b" "},
        {"topic": "", "event_id": "t\0e"},
        {"topic": "t\0e", "event_id": ""},
    ],
)
def test_a_signature_is_worth_nothing_on_another_record(other: dict[str, Any]) -> None:
    about: dict[str, Any] = {"topic": "t", "event_id": "e", "value": VALUE} | other
    assert EDGE.verify(made(), **about) is None
    assert EDGE.verify(made(**other), "t", "e", VALUE) is None


def test_no_part_of_a_header_can_be_changed() -> None:
    version, key_id, at, mac, sender = made().split(b";", 4)
    later = (EARLIER + timedelta(microseconds=1)).isoformat(timespec="microseconds").encode()
    for parts in (
        (b"2", key_id, at, mac, sender),
        (version, b"b", at, mac, sender),
        (version, key_id, later, mac, sender),
        (version, key_id, at, mac, b"/system/b"),
        (version, key_id, at, mac.upper(), sender),
        (version, key_id, at, b"", sender),
        (version, key_id, at, mac),
        (version, key_id, at + b"\0", mac, sender),
    ):
        assert EDGE.verify(b";".join(parts), "t", "e", VALUE) is None


@given(st.binary(max_size=MOST + 10) | st.builds(b";".join, st.lists(st.binary(max_size=40), max_size=7)))
def test_whatever_a_header_holds_it_raises_nothing(said: bytes) -> None:
    assert EDGE.verify(said, "t", "e", VALUE) is None


def test_a_sender_has_a_bound_and_so_has_a_header() -> None:
    longest = made(sender="s" * MOST_SENDER)
    assert EDGE.verify(longest, "t", "e", VALUE)
    assert len(longest) <= MOST
    with pytest.raises(ValueError, match="at most 512"):
        made(sender="s" * (MOST_SENDER + 1))
    assert EDGE.verify(made() + b"s" * MOST, "t", "e", VALUE) is None


def test_keys_rotate_and_one_that_is_gone_vouches_for_nothing() -> None:
    both, new = Edge(ring("b", "a", a=OLD, b=NEW)), Edge(ring("b", b=NEW))
    assert both.verify(made(), "t", "e", VALUE), "what the key before signed"
    _, signed = both.sign("t", "e", EARLIER, "", VALUE)
    assert signed.split(b";")[1] == b"b"
    assert new.verify(signed, "t", "e", VALUE) == Vouched("", EARLIER)
    assert new.verify(made(), "t", "e", VALUE) is None
    assert Edge(Seal()).verify(made(), "t", "e", VALUE) is None


def test_no_other_use_of_the_key_makes_a_signature() -> None:
    """The MAC's key is no key that anything else signs with."""
    seal = ring("a", a=OLD)
    purposes = ("edge", "token", "token id", "token seal")
    assert len({seal.derived("a", purpose) for purpose in purposes} | {seal.key("a")}) == 5


def read(body: dict[str, Any], headers: Headers = (), at: datetime = APPENDED, topic: str = "t") -> Decoded:
    """A record as the fold reads it. The log took it `at`."""
    record = Record(0, int(at.timestamp() * 1000), b"k", headers, json.dumps(body).encode())
    return decode(Portion(Stream.REVIEW, topic, 0, 0, 1, [record]), SEALER, {}, T)


def entry(body: dict[str, Any], headers: Headers = (), **more: Any) -> AnyEntry:
    (arrival,) = read(body, headers, **more).arrivals
    return arrival.entry


def given_(**fields: Any) -> dict[str, Any]:
    return review("A", event_id="e1", submitted_at="2026-01-05T00:00:00Z") | fields


def signed(body: dict[str, Any], at: datetime = EARLIER, sender: str = "/system/a") -> Headers:
    return (EDGE.sign("t", str(body["event_id"]), at, sender, json.dumps(body).encode()),)


def test_a_signed_time_counts_and_names_its_sender() -> None:
    body = given_(received_at=EARLIER.isoformat())
    got = entry(body, signed(body))
    assert (got.received_at, got.sender, got.flags) == (EARLIER, "/system/a", ())
    silent = given_()
    assert entry(silent, signed(silent)).received_at == EARLIER, "a body need not repeat it"


def test_a_claim_that_nobody_signed_is_flagged_and_the_logs_time_counts() -> None:
    got = entry(given_(received_at=EARLIER.isoformat()))
    assert (got.received_at, got.sender, got.flags) == (APPENDED, "", ("received_claimed",))
    resent = (("hcp_received_at", EARLIER.isoformat().encode()),)
    assert entry(given_(), resent).flags == ("received_claimed",)
    assert entry(given_(), resent).received_at == APPENDED
    assert entry(given_(received_at=APPENDED.isoformat())).flags == (), "it claims what is so"
    assert entry(given_()).flags == ()
    ancient = entry(given_(received_at="1990-01-01T00:00:00Z"))
    assert ancient.received_at == APPENDED, "what does not count makes no dead letter"


def test_a_signature_for_another_time_is_refused() -> None:
    body = given_(received_at=(EARLIER - timedelta(days=1)).isoformat())
    got = entry(body, signed(body))
    assert (got.received_at, got.sender, got.flags) == (APPENDED, "", ("edge_refused", "received_claimed"))
    again = (*signed(given_()), ("hcp_received_at", b"2026-01-06T00:00:00Z"))
    assert entry(given_(), again).flags == ("edge_refused", "received_claimed")


def test_a_body_that_claims_more_than_was_signed_stays_flagged() -> None:
    """As `hcp dlq retry` sends a letter again whose time was only claimed."""
    body = given_(received_at=EARLIER.isoformat())
    counted = APPENDED - timedelta(hours=1)
    resent = (*signed(body, counted, ""), ("hcp_received_at", counted.isoformat().encode()))
    got = entry(body, resent)
    assert (got.received_at, got.sender, got.flags) == (counted, "", ("received_claimed",))


def test_a_signed_time_later_than_the_logs_is_flagged_and_not_used() -> None:
    later = APPENDED + timedelta(seconds=5)
    body = given_(received_at=later.isoformat())
    got = entry(body, signed(body, later))
    assert (got.received_at, got.sender, got.flags) == (APPENDED, "/system/a", ("received_in_future",))


def test_before_t_everything_is_as_it_was_and_signatures_are_not_looked_at() -> None:
    before = T - timedelta(milliseconds=1)
    body = given_(received_at=EARLIER.isoformat())
    for headers in ((), signed(body), ((HEADER, b"junk"),)):
        got = entry(body, headers, at=before)
        assert (got.received_at, got.sender, got.flags) == (EARLIER, "", ())
        assert unpack(read(body, headers, at=before).raw)[0].headers == headers
    assert entry(body, at=T).received_at == T


@pytest.mark.parametrize("good", [True, False])
def test_what_is_kept_of_a_clear_identity_is_judged_alike_by_a_replay(good: bool) -> None:
    """The fold seals it, so the body that a replay reads is not the one that was signed."""
    body = given_(received_at=EARLIER.isoformat(), reviewer={"phone": "19900001234"})
    headers = (("x", b"1"), *(signed(body) if good else ((HEADER, made()),)), ("y", None))
    first = read(body, headers)
    kept = unpack(first.raw)[0]
    assert kept.value is not None
    assert b"1990000" not in kept.value
    assert [name for name, _ in kept.headers] == [MARK, HEADER]
    assert good or kept.headers[1:] == ((HEADER, b""),), "a signature that is none may be anything"
    again = decode(Portion(Stream.REVIEW, "t", 0, 0, 1, [Record(*kept[:5])]), SEALER, {}, T)
    assert again.arrivals == first.arrivals
    assert first.arrivals[0].entry.sender == ("/system/a" if good else "")
    assert unpack(again.raw)[0] == kept


TIMES = (EARLIER, EARLIER + timedelta(days=1), APPENDED, APPENDED + timedelta(days=1))
times = st.sampled_from(TIMES)
TOPICS, IDS, SENDERS = ("t", "u"), ("e1", "e2"), ("", "/system/a", "/system/b")


@dataclass(frozen=True)
class Sent:
    """A record as somebody sends it. `signature`: (topic, event id, time, sender, body) that it was made for; None: broken."""

    topic: str
    event_id: str
    satisfaction: int
    body_says: datetime | None
    header_says: datetime | None
    appended_at: datetime
    signature: tuple[str, str, datetime, str, bytes] | None
    has_signature: bool

    @property
    def body(self) -> dict[str, Any]:
        return body_of(self.event_id, self.satisfaction, self.body_says)

    @property
    def headers(self) -> Headers:
        resent = self.header_says
        pairs: list[tuple[str, bytes | None]] = []
        if resent is not None:
            pairs.append(("hcp_received_at", resent.isoformat().encode()))
        if self.has_signature:
            pairs.append(EDGE.sign(*self.signature) if self.signature else (HEADER, made()[:-1]))
        return tuple(pairs)

    def counts(self) -> tuple[datetime, str, set[str]]:
        """The plain model: the time and the sender that count, and what is flagged."""
        claim = self.header_says or self.body_says
        late = {"received_in_future"}
        if self.appended_at < T:
            at = claim or self.appended_at
            return min(at, self.appended_at), "", late if at > self.appended_at else set()
        own = self.topic, self.event_id, json.dumps(self.body).encode()
        topic, event_id, at, sender, body = self.signature or ("", "", T, "", b"")
        valid = self.has_signature and (topic, event_id, body) == own and claim in {None, at}
        if not valid:
            at, sender = self.appended_at, ""
        flags = {"edge_refused"} if self.has_signature and not valid else set()
        flags |= {"received_claimed"} if {self.header_says, self.body_says} - {None, at} else set()
        flags |= late if (at if valid else claim or at) > self.appended_at else set()
        return min(at, self.appended_at), sender, flags


def body_of(event_id: str, satisfaction: int, says: datetime | None) -> dict[str, Any]:
    body = given_(event_id=event_id, satisfaction=satisfaction)
    return body if says is None else body | {"received_at": says.isoformat()}


bodies = st.builds(body_of, st.sampled_from(IDS), st.sampled_from((4, 5)), st.none() | times)
signatures = st.tuples(
    st.sampled_from(TOPICS),
    st.sampled_from(IDS),
    times,
    st.sampled_from(SENDERS),
    bodies.map(lambda body: json.dumps(body).encode()),
)


@st.composite
def sent(draw: st.DrawFn) -> Sent:
    """Most signatures are made for this very record but for one thing, which may be right, too."""
    topic, event_id = draw(st.sampled_from(TOPICS)), draw(st.sampled_from(IDS))
    satisfaction, body_says = draw(st.sampled_from((4, 5))), draw(st.none() | times)
    own = json.dumps(body_of(event_id, satisfaction, body_says)).encode()
    at, sender = body_says or draw(times), draw(st.sampled_from(SENDERS))
    whole, place = draw(signatures), draw(st.integers(0, 5))
    copied: Any = [topic, event_id, at, sender, own]
    copied[place : place + 1] = whole[place : place + 1]
    appended_at = draw(st.sampled_from((APPENDED, T - timedelta(days=1))))
    signature = draw(st.none() | st.just(tuple(copied)) | st.just(tuple(copied)) | signatures)
    header_says = draw(st.none() | st.none() | times)
    return Sent(
        topic, event_id, satisfaction, body_says, header_says, appended_at, signature, draw(st.booleans())
    )


@given(sent())
def test_the_time_that_counts_is_that_of_a_signature_for_this_record_else_the_logs(one: Sent) -> None:
    got = entry(one.body, one.headers, at=one.appended_at, topic=one.topic)
    assert (got.received_at, got.sender, set(got.flags)) == one.counts()
    assert list(got.flags) == sorted(got.flags)


@given(times)
def test_nobody_moves_a_time_with_a_header_of_another_record(claim: datetime) -> None:
    """A valid record's headers on another body, topic, id or time: refused, and the log's time counts."""
    body = body_of("e1", 5, claim)
    value = json.dumps(body).encode()
    for other in (
        ("u", "e1", claim, value),
        ("t", "e2", claim, value),
        ("t", "e1", claim + timedelta(microseconds=1), value),
        ("t", "e1", claim, value + b" "),
    ):
        topic, event_id, at, signed_value = other
        headers = (EDGE.sign(topic, event_id, at, "/system/a", signed_value),)
        got = entry(body, headers)
        assert (got.received_at, got.sender) == (APPENDED, "")
        assert "edge_refused" in got.flags
