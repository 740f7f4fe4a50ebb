"""What the fold makes of records by the month in which the log took them, also when that month's key is destroyed. No servers."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.ledger.decode import Decoded, appended_at, decode, open_around
from pipeline.ledger.portion import MOST_KEPT, Headers, Part, Portion, Record, Unreadable
from pipeline.ledger.raw import unpack
from pipeline.ledger.reviewers import EXPIRED, MARK
from pipeline.month_keys import KeyRingError, month_of
from pipeline.seal_keys import Seal
from pipeline.sealing import CannotOpen, KeyDestroyed, Sealer
from schemas.events import Reason, ReviewEvent
from schemas.topics import Stream
from tests.conftest import SEAL_KEY
from tests.harness import review

APPENDED = datetime(2026, 11, 23, 2, tzinfo=UTC)
LAST_MS = 1_796_083_199_999
"""The last millisecond of November 2026, UTC."""
EARLY = "2026-11-20T01:00:00+00:00"
NAME, PHONE = "司空鼐鸾", "13957924601"
WHO = {"name": NAME, "phone": PHONE}


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return Sealer(
        Seal.model_validate({"current": "k1", "keys": {"k1": SEAL_KEY}, "months": tmp_path / "months"})
    )


def destroy(sealer: Sealer, at: datetime = APPENDED) -> None:
    sealer.months.destroy(
        month_of(at), datetime(2029, 12, 2, tzinfo=UTC), "worker-1", "its retention was over"
    )


def given(**fields: Any) -> dict[str, Any]:
    return review("A", event_id="e1", submitted_at=EARLY, **fields)


def portion(*values: Any, at_ms: int = 0, headers: Headers = ()) -> Portion:
    at_ms = at_ms or int(APPENDED.timestamp() * 1000)
    said = [msgspec.json.encode(value) if isinstance(value, dict) else value for value in values]
    records = [Record(n, at_ms, b"k" + PHONE.encode(), headers, value) for n, value in enumerate(said)]
    return Portion(Stream.REVIEW, "t", 0, 0, len(records), records)


def again(got: Decoded, sealer: Sealer) -> Decoded:
    """A replay of the raw records that are kept."""
    records = [Record(raw.offset, raw.timestamp, raw.key, raw.headers, raw.value) for raw in unpack(got.raw)]
    return decode(Portion(Stream.REVIEW, "t", 0, 0, len(records), records), sealer)


def event_of(got: Decoded) -> ReviewEvent:
    assert got.dead == []
    event = got.arrivals[0].entry.event
    assert isinstance(event, ReviewEvent)
    return event


def clear(got: Decoded) -> list[str]:
    """Which parts of the identity lie in what would be stored."""
    kept = b"".join((raw.value or b"") + repr(raw.headers).encode() for raw in unpack(got.raw))
    stored = repr(got.arrivals) + repr([(d.value, d.around, d.parts, d.message) for d in got.dead])
    return [word for word in (NAME, PHONE) if word in stored or word.encode() in kept]


@pytest.mark.parametrize(("at_ms", "month"), [(LAST_MS, "m202611"), (LAST_MS + 1, "m202612")])
def test_a_record_is_sealed_by_the_month_in_which_the_log_took_it(
    sealer: Sealer, at_ms: int, month: str
) -> None:
    got = decode(portion(given(reviewer=WHO), b"{ no event", at_ms=at_ms), sealer)
    (arrival,), (dead,) = got.arrivals, got.dead
    sealed = [arrival.entry.event.reviewer, dead.value.decode(), (dead.around or b"").decode()]
    assert {one.split(".")[1][:7] for one in sealed} == {month}
    assert appended_at(at_ms).month == int(month[-2:])
    assert clear(got) == []


def test_nothing_depends_on_when_it_is_folded(sealer: Sealer) -> None:
    """Another process, later, with the log's records or with those that were kept: the same bytes."""
    long_value = b"x" * (MOST_KEPT + 1)
    cut = Unreadable(Reason.UNREADABLE, "why", {"value": Part.of(b"abc", 0)})
    said = portion(given(reviewer=WHO), given(reviewer=NAME), b"{", long_value, cut)
    first, other = decode(said, sealer), decode(said, Sealer(sealer._seal))
    assert (first.raw, first.arrivals, first.dead) == (other.raw, other.arrivals, other.dead)
    kept = decode(portion(given(reviewer=WHO)), sealer)
    assert (again(kept, sealer).raw, again(kept, sealer).arrivals) == (kept.raw, kept.arrivals)


def test_a_replay_after_the_destruction_gives_what_the_fold_gave_before(sealer: Sealer) -> None:
    """The mark, too, though nothing opens the identity any more."""
    of_a_producer = given(reviewer=sealer.seal_reviewer("e1", NAME, PHONE, at=APPENDED))
    for body in (given(reviewer=WHO), of_a_producer, of_a_producer | {"reviewer_mark": "mine"}):
        before = decode(portion(body), sealer)
        assert event_of(before).reviewer_mark == body.get("reviewer_mark", sealer.mark(PHONE))
        kept = again(before, sealer)
        assert (kept.arrivals, kept.raw) == (before.arrivals, before.raw)
    before = decode(portion(given(reviewer=WHO)), sealer)
    destroy(sealer)
    after = again(before, Sealer(sealer._seal))
    assert (after.arrivals, after.raw) == (before.arrivals, before.raw)
    assert EXPIRED not in after.arrivals[0].entry.flags, "it came in time"
    with pytest.raises(KeyDestroyed):
        sealer.open_reviewer("e1", str(event_of(after).reviewer))


def test_a_mark_in_a_header_counts_only_for_a_seal_that_does_not_open(sealer: Sealer) -> None:
    forged = (MARK, b"0" * 32), (MARK, PHONE.encode())
    sealed = sealer.seal_reviewer("e1", NAME, PHONE, at=APPENDED)
    for body in (given(reviewer=WHO), given(reviewer=sealed)):
        assert event_of(decode(portion(body, headers=forged), sealer)).reviewer_mark == sealer.mark(PHONE)
    destroy(sealer)
    got = decode(portion(given(reviewer=sealed), headers=forged[1:]), sealer)
    assert event_of(got).reviewer_mark == "", "what is no digest is no mark: it may be a phone number"


@pytest.mark.parametrize("reviewer", [WHO, NAME, {"id_number": PHONE}, {}])
def test_an_open_identity_of_a_destroyed_month_is_dropped_and_flagged(sealer: Sealer, reviewer: Any) -> None:
    destroy(sealer)
    got = decode(portion(given(reviewer=reviewer, shoe_size=44, reason_codes=["nothing"])), sealer)
    event = event_of(got)
    assert (event.reviewer, event.reviewer_mark) == (None, "")
    assert got.arrivals[0].entry.flags == (EXPIRED, "reason_level", "reason_unknown")
    assert clear(got) == []
    kept = msgspec.json.decode(unpack(got.raw)[0].value or b"")
    assert (kept["reviewer"], kept["shoe_size"]) == ({}, 44)
    assert "s1." not in str(kept), "under no other key"
    replayed = again(got, sealer)
    assert (replayed.arrivals, replayed.raw) == (got.arrivals, got.raw), "a replay drops and flags it again"
    nobody = decode(portion(given()), sealer)
    assert nobody.arrivals[0].entry.flags == (), "who named nobody lost nobody"
    other = datetime(2026, 12, 23, 2, tzinfo=UTC)
    next_month = decode(portion(given(reviewer=WHO), at_ms=int(other.timestamp() * 1000)), sealer)
    assert sealer.open_reviewer("e1", str(event_of(next_month).reviewer)).phone == PHONE, "the twin"


@pytest.mark.parametrize("key", ["gone", "of a month that is destroyed"])
def test_a_sealed_identity_that_does_not_open_stays_as_it_is(sealer: Sealer, key: str) -> None:
    sealed = sealer.seal_reviewer("e1", NAME, PHONE, at=APPENDED)
    if key == "gone":
        sealed = sealed.replace("m202611", "m202612")
    destroy(sealer)
    got = decode(portion(given(reviewer=sealed)), sealer)
    assert (event_of(got).reviewer, event_of(got).reviewer_mark, got.arrivals[0].entry.flags) == (
        sealed,
        "",
        (),
    )


def test_a_dead_letter_of_a_destroyed_month_keeps_length_and_digest_alone(sealer: Sealer) -> None:
    value = b"{ " + PHONE.encode()
    before = decode(portion(value, headers=(("x", NAME.encode()),)), sealer).dead[0]
    destroy(sealer)
    (dead,) = decode(portion(value, headers=(("x", NAME.encode()),)), sealer).dead
    assert (dead.reason, dead.message, dead.place, dead.records) == (
        before.reason,
        before.message,
        before.place,
        1,
    )
    assert (dead.around, dead.record.key, dead.record.headers) == (None, None, ())
    opened = sealer.open((dead.parts or b"").decode(), "t", "0", "0")
    assert msgspec.msgpack.decode(opened, type=dict[str, Part]) == {
        "value": Part(b"", len(value), Part.of(value).sha256)
    }
    assert sealer.open(dead.value.decode(), "t", "0", "0") == b""
    assert dead.value.startswith(b"s1.k1."), "nothing of it is a person's"
    about = ("t", "0", "0")
    for sealed in (before.value, before.around or b""):
        with pytest.raises(CannotOpen):
            sealer.open(sealed.decode(), *about)
    with pytest.raises(KeyDestroyed, match="was destroyed on 2029-12-02"):
        open_around(before.around or b"", about, sealer)


def test_of_what_was_cut_no_beginning_is_kept_and_no_digest_of_a_key(sealer: Sealer) -> None:
    """Eleven digits are found by their digest in a minute."""
    destroy(sealer)
    parts = {
        "key": Part.of(PHONE.encode()),
        "value": Part(PHONE.encode(), 9_000_000, "abc"),
        "headers": Part.of(b"x=1"),
    }
    for value in (Unreadable(Reason.UNREADABLE, "why", parts, 3), b"y" * (MOST_KEPT + 1)):
        (dead,) = decode(portion(value), sealer).dead
        opened = sealer.open((dead.parts or b"").decode(), "t", "0", "0")
        kept = msgspec.msgpack.decode(opened, type=dict[str, Part])
        assert list(kept) == ["value"]
        assert kept["value"].data == b""
        assert dead.records == (3 if isinstance(value, Unreadable) else 1)


def test_while_the_keys_are_out_of_reach_no_record_is_buried(sealer: Sealer, tmp_path: Path) -> None:
    """The disk is to blame, no record: the batch is tried again."""
    (tmp_path / "months").write_text("in the way")
    for value in (given(reviewer=WHO), b"{"):
        with pytest.raises(KeyRingError):
            decode(portion(value), sealer)
    assert decode(portion(given()), sealer).dead == [], "what needs no key goes on"
    (tmp_path / "months").unlink()
    assert decode(portion(given(reviewer=WHO)), sealer).dead == []


def test_a_disk_that_fails_once_buries_nothing_either(
    sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealing, tries = sealer.months.sealing, iter(range(9))

    def flapping(at: datetime) -> Any:
        if next(tries) == 0:
            raise KeyRingError("not just now")
        return sealing(at)

    monkeypatch.setattr(sealer.months, "sealing", flapping)
    with pytest.raises(KeyRingError):
        decode(portion(given(reviewer=WHO)), sealer)
    assert decode(portion(given(reviewer=WHO)), sealer).dead == []


def test_producers_seal_by_the_month_of_the_time_that_they_are_given(sealer: Sealer) -> None:
    for days, month in ((0, "m202611"), (8, "m202612")):
        sealed = sealer.seal_reviewer("e1", phone=PHONE, at=APPENDED + timedelta(days=days))
        assert sealed.split(".")[1][:7] == month
