"""What a record becomes: an arrival and the bytes that may be kept, or a dead letter. No servers."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from pipeline.ledger.decode import EPOCH, DeadLetter, Decoded, decode, open_around
from pipeline.ledger.portion import Headers, Portion, Record
from pipeline.ledger.raw import RawRecord, unpack
from pipeline.rules.records import AnyEntry, Key, Place
from pipeline.seal_keys import Seal
from pipeline.sealing import CannotOpen, Sealer
from schemas.events import CaseEvent, Reason, Reviewer, ReviewEvent
from schemas.reading import MAX_BYTES, digest
from schemas.topics import Stream
from tests.conftest import MONTHS, SEAL_KEY
from tests.harness import case, review

SEAL = Seal(current="Test", keys={"Test": SEAL_KEY}, months=MONTHS)
SEALER = Sealer(SEAL)
APPENDED = datetime(2026, 11, 23, 2, 0, 0, 5000, tzinfo=UTC)
APPENDED_MS = 1_795_399_200_005
AFTER = datetime(2026, 11, 24, tzinfo=UTC)
OFFSET = 7
EARLY = "2026-11-20T01:00:00+00:00"
PHONE = "19900001234"


def given(**fields: Any) -> dict[str, Any]:
    """A review of a case, submitted before it came."""
    return review("A", event_id="e1", submitted_at=EARLY, **fields)


def served(**fields: Any) -> dict[str, Any]:
    return case("A", event_id="e1", served_at=EARLY, accepted_at=EARLY, item_name="n", **fields)


def decoded(
    *values: dict[str, Any] | bytes | None,
    headers: Headers = (),
    stream: Stream = Stream.REVIEW,
    signed_since: datetime = EPOCH,
) -> Decoded:
    """These records at offsets from 7 of the third partition; what they claim needs a signature, unless said."""
    records = [
        Record(OFFSET + n, APPENDED_MS, b"k", headers, msgspec.json.encode(v) if isinstance(v, dict) else v)
        for n, v in enumerate(values)
    ]
    return decode(Portion(stream, "t", 2, OFFSET, OFFSET + len(values), records), SEALER, {}, signed_since)


def entry(body: dict[str, Any], headers: Headers = (), **more: Any) -> AnyEntry:
    got = decoded(body, headers=headers, **more)
    assert got.dead == []
    return got.arrivals[0].entry


def refused(body: dict[str, Any] | bytes, headers: Headers = ()) -> DeadLetter:
    (dead,) = decoded(body, headers=headers).dead
    return dead


def test_a_review_arrives_with_all_that_the_ledger_keeps_of_it() -> None:
    got = decoded(given())
    (arrival,) = got.arrivals
    event = ReviewEvent(5, arrival.entry.event.channel, datetime.fromisoformat(EARLY), "e1", "A")
    assert arrival.key == Key("A", 1)
    assert arrival.entry.event == event
    assert (arrival.entry.event_id, arrival.entry.digest) == ("e1", digest(event))
    assert (arrival.entry.received_at, arrival.entry.place) == (APPENDED, Place("t", 2, OFFSET))
    assert (arrival.entry.flags, arrival.entry.sent_digest) == ((), None)
    assert (got.dead, got.skipped, got.portion.topic) == ([], 0, "t")


def test_a_review_without_a_case_goes_by_its_event() -> None:
    (arrival,) = decoded(review(None, event_id="e1", submitted_at=EARLY)).arrivals
    assert arrival.key == Key("", 1, "e1")


def test_a_case_arrives_with_what_inspection_finds_in_the_order_of_flags() -> None:
    late = served(received_at="2026-11-23T03:00:00Z", failed_rules=[])
    got = entry(late, stream=Stream.CASE)
    assert isinstance(got.event, CaseEvent)
    assert {"received_in_future", "place_missing", "staff_missing"} <= set(got.flags)
    assert list(got.flags) == sorted(got.flags)
    assert got.sent_digest is None


def test_what_is_odd_about_a_review_is_flagged_in_the_order_of_flags() -> None:
    assert entry(given(reason_codes=["nothing"])).flags == ("reason_level", "reason_unknown")
    odd = given(reason_codes=["5x"], received_at="2026-11-23T03:00:00Z")
    assert entry(odd).flags == ("reason_unknown", "received_claimed", "received_in_future")
    assert entry(odd, signed_since=AFTER).flags == ("reason_unknown", "received_in_future")
    assert entry(given(received_at="2026-11-23T03:00:00Z"), signed_since=AFTER).flags == (
        "received_in_future",
    )


def test_every_record_lies_in_the_raw_block_without_what_may_name_a_person_around_it() -> None:
    read = (("ce_id", b"e1"), ("hcp_received_at", EARLY.encode()))
    headers = (
        ("ce_id", PHONE.encode()),
        ("ce_subject", PHONE.encode()),
        ("x-phone", PHONE.encode()),
        *read,
        ("none", None),
    )
    said = given()
    got = decoded(said, None, b"{", None, headers=headers)
    kept = [(msgspec.json.encode(said), False), (None, False), (None, True), (None, False)]
    assert unpack(got.raw) == [
        RawRecord(OFFSET + n, APPENDED_MS, None, read if value else (), value, refused)
        for n, (value, refused) in enumerate(kept)
    ]
    assert got.skipped == 2, "the two tombstones"
    assert [arrival.entry.place.offset for arrival in got.arrivals] == [OFFSET]
    assert [dead.place.offset for dead in got.dead] == [OFFSET + 2]


def test_a_replay_of_what_is_kept_reads_the_same() -> None:
    """Also where the bytes that a counting device sent are not those that are kept."""
    said = msgspec.json.encode(given(device_id="d", device_seq=1, reviewer={"phone": PHONE}))
    got = decoded(said, headers=(("x", b"1"), ("hcp_received_at", EARLY.encode())))
    (raw,) = unpack(got.raw)
    again = decode(
        Portion(
            Stream.REVIEW,
            "t",
            2,
            OFFSET,
            OFFSET + 1,
            [Record(raw.offset, raw.timestamp, raw.key, raw.headers, raw.value)],
        ),
        SEALER,
    )
    assert again.arrivals == got.arrivals
    assert unpack(again.raw) == [raw]


TWICE = [
    '"reviewer": {"phone": "%s"}, "reviewer": null',
    '"reviewer": "%s", "reviewer": null',
    '"reviewer": {"name": "%s"}, "reviewer": "s1.Test.' + "A" * 30 + '"',
    '"r\\u0065viewer": {"phone": "%s"}, "reviewer": null',
    '"reviewer": {"phone": "%s"}, "reviewe\\u0072": null',
    '"reviewer" : {"phone": "%s", "phone": null}',
    '"reviewer": {"phone": "%s", "ph\\u006fne": "1"}',
    '"comment": "r\\u00e9sum\\u00e9", "reviewer": {"a": {"phone": "%s"}}, "reviewer": null',
]


@pytest.mark.parametrize("twice", TWICE)
def test_of_a_key_that_stands_twice_nothing_of_the_first_is_kept(twice: str) -> None:
    said = json.dumps(given())[:-1] + ", " + twice % PHONE + "}"
    got = decoded(said.encode())
    assert len(got.arrivals) == 1, got.dead
    (kept,) = unpack(got.raw)
    assert PHONE.encode() not in (kept.value or b"")
    assert PHONE not in repr(got.arrivals)


@pytest.mark.parametrize("odd", ["\\u00e9 \\u0022reviewer\\u0022", '\\"reviewer\\" \\"reviewer\\"'])
def test_what_only_looks_like_it_is_kept_as_it_came(odd: str) -> None:
    said = (json.dumps(given())[:-1] + f', "comment": "{odd}", "big": {"9" * 400}' + "}").encode()
    (kept,) = unpack(decoded(said).raw)
    assert kept.value == said


def test_a_dead_letter_holds_the_record_sealed_about_its_place() -> None:
    dead = refused(b"{ 199")
    assert (dead.place, dead.record.value, dead.reason) == (Place("t", 2, OFFSET), b"{ 199", Reason.NOT_JSON)
    assert "well-formed" in dead.message
    assert SEALER.open(dead.value.decode(), "t", "2", str(OFFSET)) == b"{ 199"
    assert SEALER.open(refused(b"").value.decode(), "t", "2", str(OFFSET)) == b""


def test_key_and_headers_of_a_dead_letter_are_sealed_apart_from_its_value() -> None:
    (dead,) = decoded(b"{", headers=(("x", b"\xff"), ("none", None))).dead
    assert dead.around is not None
    assert open_around(dead.around, ("t", "2", str(OFFSET)), SEALER) == (
        b"k",
        (("x", b"\xff"), ("none", None)),
    )
    with pytest.raises(CannotOpen):
        open_around(dead.value, ("t", "2", str(OFFSET)), SEALER)
    with pytest.raises(CannotOpen):
        open_around(dead.around, ("t", "2", str(OFFSET + 1)), SEALER)


def test_a_defect_of_ours_is_told_and_hides_no_record() -> None:
    class Broken(Sealer):
        def seal_reviewer(self, *_: str, at: datetime) -> str:  # noqa: ARG002  the name counts
            raise ArithmeticError(PHONE)

    bad, good = (msgspec.json.encode(given(reviewer=who)) for who in ({"phone": PHONE}, None))
    records = [Record(n, APPENDED_MS, b"k", (), value) for n, value in enumerate((bad, good))]
    got = decode(Portion(Stream.REVIEW, "t", 2, 0, 2, records), Broken(SEAL))
    assert [(dead.reason, dead.message) for dead in got.dead] == [(Reason.FOLD_ERROR, "ArithmeticError")]
    assert [(kept.value, kept.refused) for kept in unpack(got.raw)] == [(None, True), (good, False)]


def test_headers_name_the_event_and_when_it_was_received_before() -> None:
    headers = (
        ("x", b"\xff"), ("ce_id", b"h1"), ("y", None), ("hcp_received_at", EARLY.encode()), ("z", b"1"),
    )  # fmt: skip
    nameless = {name: value for name, value in given().items() if name != "event_id"}
    for order in (headers, headers[::-1]):
        got = entry(nameless, order, signed_since=AFTER)
        assert (got.event_id, got.received_at) == ("h1", datetime.fromisoformat(EARLY))
    got = entry(given(), (("ce_id", None), ("hcp_received_at", None)))
    assert (got.event_id, got.received_at) == ("e1", APPENDED)


@pytest.mark.parametrize("name", ["ce_id", "hcp_received_at"])
def test_a_header_that_is_no_text_is_refused_by_its_name(name: str) -> None:
    dead = refused(given(), ((name, b"\xff"),))
    assert (dead.reason, dead.message) == (Reason.WRONG_TYPE, f"the header {name} is not UTF-8")


def test_a_counted_review_has_the_digest_of_what_the_device_sent() -> None:
    body = given(device_id="d", device_seq=1)
    own, told = sha256(msgspec.json.encode(body)).hexdigest(), sha256(b"before").hexdigest()
    assert entry(body).sent_digest == own
    assert entry(body, (("hcp_sent_digest", told.encode()),)).sent_digest == told
    for nothing in (None, b"", told[1:].encode(), told.upper().encode(), f"{told}0".encode()):
        assert entry(body, (("hcp_sent_digest", nothing),)).sent_digest == own
    assert entry(body, (("other", told.encode()),)).sent_digest == own
    assert entry(given(device_id="d"), (("hcp_sent_digest", told.encode()),)).sent_digest is None


def kept_reviewer(body: dict[str, Any]) -> tuple[str, str]:
    """Sealed reviewer and mark, as the event has them; the raw block holds the same seal, and no clear identity."""
    got = decoded(body)
    event: ReviewEvent = got.arrivals[0].entry.event
    kept = msgspec.json.decode(unpack(got.raw)[0].value or b"")
    assert kept["reviewer"] == event.reviewer
    assert PHONE not in str(kept)
    assert kept | {"reviewer": body["reviewer"]} == body
    assert isinstance(event.reviewer, str)
    return event.reviewer, event.reviewer_mark


@pytest.mark.parametrize(
    ("open_", "whole"),
    [
        (
            {"name": "张三", "phone": PHONE, "id_number": "610326X"},
            Reviewer("张三", PHONE, "610326X"),
        ),
        ({"id_number": "610326x"}, Reviewer("", "", "610326x")),
        ("张三", Reviewer("张三")),
        ("s1.x.short", Reviewer("s1.x.short")),
        (
            f"x {SEALER.seal_reviewer('e1', '李四', at=APPENDED)}",
            Reviewer(f"x {SEALER.seal_reviewer('e1', '李四', at=APPENDED)}"),
        ),
    ],
    ids=[
        "whole",
        "number",
        "text",
        "short",
        "sealed within a text",
    ],  # what is sealed differs from process to process
)
def test_an_open_identity_is_sealed_whole_about_its_event(open_: Any, whole: Reviewer) -> None:
    sealed, mark = kept_reviewer(given(reviewer=open_, shoe_size=44))
    assert SEALER.open_reviewer("e1", sealed) == whole
    assert mark == SEALER.mark_of(whole)


def test_a_sealed_identity_stays_and_gets_the_mark_that_the_open_one_got() -> None:
    sealed = SEALER.seal_reviewer("e1", "张三", PHONE, at=APPENDED)
    assert kept_reviewer(given(reviewer=sealed)) == (sealed, SEALER.mark(PHONE))


def test_a_seal_that_is_not_ours_to_open_has_no_mark() -> None:
    of_another_event = SEALER.seal_reviewer("e2", "张三", PHONE, at=APPENDED)
    of_no_identity = SEALER.seal(b"[]", "e1")
    for sealed in (of_another_event, of_no_identity):
        assert kept_reviewer(given(reviewer=sealed)) == (sealed, "")


@pytest.mark.parametrize(
    "reviewer",
    [SEALER.seal_reviewer("e1", "张三", PHONE, at=APPENDED), {"phone": PHONE}],
    ids=["sealed", "open"],
)
def test_a_senders_own_mark_stays(reviewer: Any) -> None:
    assert kept_reviewer(given(reviewer=reviewer, reviewer_mark="mine"))[1] == "mine"


def test_a_review_that_sealing_makes_too_large_is_refused() -> None:
    def sealed_to(size: int) -> Decoded:
        def padded(by: int) -> dict[str, Any]:
            return given(reviewer={"phone": PHONE}, padding="x" * by)

        plain = len(unpack(decoded(padded(0)).raw)[0].value or b"")
        return decoded(padded(size - plain))

    assert len(unpack(sealed_to(MAX_BYTES).raw)[0].value or b"") == MAX_BYTES
    (dead,) = sealed_to(MAX_BYTES + 1).dead
    assert (dead.reason, str(MAX_BYTES + 1) in dead.message) == (Reason.TOO_LARGE, True)
