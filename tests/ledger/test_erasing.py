"""An identity that was erased: unreadable at once, out of the database, and not back by a replay or a restored backup."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import pytest

from pipeline.erasures import Erasure, Erasures
from pipeline.ledger import dead_letters, erasing
from pipeline.ledger.dead_letters import Name
from pipeline.ledger.decode import decode
from pipeline.ledger.failures import Stop
from pipeline.ledger.portion import Portion, Record
from pipeline.ledger.raw import unpack
from pipeline.month_keys import KeyRingError
from pipeline.sealing import CannotOpen, IdentityErased, Sealer
from schemas.topics import Stream
from tests.harness import case, review
from tests.ledger.test_fold import NOW_MS, Ledger, book, portion_of  # noqa: F401  `book` is a fixture

pytestmark = pytest.mark.system
PHONE = "13900001234"
WHO = {"name": "李四", "phone": PHONE}


def ago(minutes: float) -> str:
    """Before the log takes what these tests fold; they may run long after they were imported."""
    return (datetime.fromtimestamp(NOW_MS / 1000, UTC) - timedelta(minutes=minutes)).isoformat()


def topic(book: Ledger) -> str:  # noqa: F811
    return book.settings.kafka.topic(Stream.REVIEW)


@pytest.fixture
def told(book: Ledger) -> Ledger:  # noqa: F811
    """Two reviews with a reviewer, one of them sent twice, and a ticket; a dead letter that names one of them."""
    with book.connection.cursor() as cursor:
        cursor.execute("update stream_position set topic = %s where topic = 'review'", [topic(book)])
        cursor.execute("update office.epoch set at = '2000-01-01'")  # as the folder of these tests has it
    book.connection.commit()
    book.fold(portion_of(Stream.CASE, 0, case("A")))
    at = ago(9)
    mine = review("A", 1, event_id="mine", reviewer=WHO, received_at=at, device_id="d", device_seq=1)
    other = review("B", 1, event_id="other", reviewer=WHO)
    broken = {"event_id": "mine", "satisfaction": 9, "reviewer": WHO}
    book.fold(portion_of(Stream.REVIEW, 0, mine, other, mine, broken, topic=topic(book)))
    return book


def erase(book: Ledger, event_id: str = "mine") -> erasing.Erased:  # noqa: F811
    return erasing.erase(book.settings, event_id, "li", "the citizen asks for it")


def raw(book: Ledger) -> list[Any]:  # noqa: F811
    blocks = book.ask(f"select data from raw_block where topic = '{topic(book)}' order by first_offset")
    return [record for (data,) in blocks for record in unpack(bytes(data))]


def kept(book: Ledger) -> list[tuple[Any, ...]]:  # noqa: F811
    """Everything that an erasure leaves alone."""
    return book.ask(
        "select event_id, digest, received_at, satisfaction, comment, sent_digest, sender, effective from review order by 1"
    ) + book.ask("select ticket_id, dept_code, due_at from ticket order by 1")


def test_the_identity_goes_and_everything_else_stays(told: Ledger) -> None:
    before = kept(told)
    sealer = Sealer(told.settings.seal)
    ((sealed,),) = told.ask("select reviewer from review where event_id = 'mine'")
    assert sealer.open_reviewer("mine", sealed).phone == PHONE
    done = erase(told)
    assert (done.reviews, done.records, done.letters) == (1, 2, 1)
    assert done.until is not None
    assert done.until - datetime.now(UTC) <= timedelta(milliseconds=told.settings.kafka.retention_ms)
    assert told.ask("select event_id, reviewer is null, reviewer_mark, flags from review order by 1") == [
        ("mine", True, "", ["identity_erased"]),
        ("other", False, sealer.mark(PHONE), []),
    ]
    with pytest.raises(CannotOpen, match="erased"):
        sealer.open_reviewer("mine", sealed)
    assert kept(told) == before
    assert told.wrong_rows() == []
    first, other, again, dead = raw(told)
    assert json.loads(first.value)["reviewer"] == json.loads(again.value)["reviewer"] == {}
    assert sealed.encode() not in first.value + again.value
    assert json.loads(other.value)["reviewer"]
    assert dead.refused
    letters = told.ask("select value, around, parts from dead_letter")
    opened = sealer.open(bytes(letters[0][2]).decode(), topic(told), "0", "3")
    assert PHONE.encode() not in opened
    assert "李四".encode() not in opened
    assert letters[0][1] is None
    (told_of,) = told.ask("select value from outbox where stream = 'dead-letter.v1'")
    assert bytes(told_of[0]) == bytes(letters[0][2])


def test_what_is_read_again_is_the_same_event(told: Ledger) -> None:
    """A replay of the raw records, and one of the log, give the ledger that the erasure left."""
    from_log = [Record(r.offset, r.timestamp, r.key, r.headers, r.value) for r in raw(told) if r.value]
    erase(told)
    left = (
        kept(told),
        told.ask("select event_id, reviewer, reviewer_mark, flags from review where event_id = 'mine'"),
    )
    for records in (
        from_log,
        [Record(r.offset, r.timestamp, r.key, r.headers, r.value) for r in raw(told) if r.value],
    ):
        told.clear()
        with told.connection.cursor() as cursor:
            cursor.execute("update stream_position set topic = %s where topic = 'review'", [topic(told)])
        told.connection.commit()
        told.fold(portion_of(Stream.CASE, 0, case("A", dept_code="116103260000000101")))
        told.fold(Portion(Stream.REVIEW, topic(told), 0, 0, 3, records))
        mine = told.ask("select event_id, reviewer, reviewer_mark, flags from review where event_id = 'mine'")
        assert (kept(told)[:2], mine) == (left[0][:2], left[1])
        assert told.wrong_rows() == []


def test_done_again_it_changes_nothing(told: Ledger) -> None:
    erase(told)
    blocks = told.ask("select data from raw_block order by 1")
    again = erase(told)
    assert (again.reviews, again.records, again.letters) == (0, 0, 0)
    assert told.ask("select data from raw_block order by 1") == blocks


def test_a_batch_that_was_read_before_is_read_again(book: Ledger) -> None:  # noqa: F811
    """The erasure came between its reading and its transaction."""
    portion = portion_of(Stream.REVIEW, 0, review("A", 1, event_id="mine", reviewer=WHO))
    decoded = book.folder.decode(portion)
    book.folder.sealer.erasures.add(Erasure("mine", datetime.now(UTC), "li", "why"))
    book.folder.fold(book.connection, [decoded])
    assert book.ask("select reviewer, reviewer_mark from review") == [(None, "")]
    (data,) = book.ask("select data from raw_block where records > 0")[0]
    assert json.loads(unpack(bytes(data))[0].value or b"")["reviewer"] == {}


def test_what_a_restored_backup_brings_back_is_taken_out_again(told: Ledger) -> None:
    rows = told.ask("select reviewer, reviewer_mark from review where event_id = 'mine'")
    blocks = told.ask("select first_offset, data from raw_block where records = 4")
    erase(told)
    assert erasing.erase_again(told.settings, told.folder.sealer, Event()) == 0
    with told.connection.cursor() as cursor:
        cursor.execute("update review set reviewer = %s, reviewer_mark = %s where event_id = 'mine'", rows[0])
        cursor.execute(
            "update raw_block set data = %s where records = 4 and first_offset = %s", blocks[0][::-1]
        )
    told.connection.commit()
    assert erasing.erase_again(told.settings, told.folder.sealer, Event()) == 1
    assert told.ask("select reviewer, reviewer_mark from review where event_id = 'mine'") == [(None, "")]
    assert json.loads(raw(told)[0].value)["reviewer"] == {}


def test_a_ledger_from_before_is_not_forgotten(told: Ledger) -> None:
    with told.connection.cursor() as cursor:
        cursor.execute("create schema before_this")
        for table in ("review", "raw_block", "dead_letter", "stream_position", "outbox"):
            cursor.execute(f"create table before_this.{table} as table {table}")
        cursor.execute("create schema older; create table older.review as table review")
        cursor.execute(
            "create table older.raw_block (a int); create table older.stream_position as table stream_position"
        )
    told.connection.commit()
    assert erase(told).left == ["older"]
    assert told.ask("select reviewer from before_this.review where event_id = 'mine'") == [(None,)]


def test_a_review_is_named_by_its_event_or_its_ticket(told: Ledger) -> None:
    ((ticket,),) = told.ask("select ticket_id from ticket where event_id = 'mine'")
    assert erasing.named(told.settings, str(ticket)) == erasing.named(told.settings, "mine") == "mine"
    with pytest.raises(Stop, match="no review has the event id nobody"):
        erasing.named(told.settings, "nobody")


def test_a_digest_that_nobody_of_ours_signed_counts_nothing(book: Ledger) -> None:  # noqa: F811
    said = review("A", 1, event_id="mine")
    portion = portion_of(Stream.REVIEW, 0, said)
    (record,) = portion.records
    plain = decode(portion, book.folder.sealer).arrivals[0].entry.digest
    assert isinstance(record.value, bytes)
    copied = book.folder.sealer.edge.sign("review", "mine", datetime.now(UTC), "/system/a", record.value)[1]
    for forged in (b"0" * 32, b"", copied):
        portion.records = [record._replace(headers=(*record.headers, ("hcp_digest", forged)))]
        assert decode(portion, book.folder.sealer).arrivals[0].entry.digest == plain


def test_nothing_is_folded_while_the_erasures_cannot_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "erased"
    erasures = Erasures(folder)
    assert erasures.known == frozenset()
    erasures.add(Erasure("mine", datetime.now(UTC), "li", "why"))
    assert Erasures(folder).has("mine")
    assert (folder.stat().st_mode & 0o777, next(folder.iterdir()).stat().st_mode & 0o777) == (0o700, 0o600)
    next(folder.iterdir()).write_text("{")
    with pytest.raises(KeyRingError, match="is damaged: restore it"):
        Erasures(folder).has("other")


def test_a_letter_is_known_by_the_header_and_no_other_by_a_part_of_it(book: Ledger) -> None:  # noqa: F811
    """The event is called 1024: a phone number that holds it is no name of it."""
    with book.connection.cursor() as cursor:
        cursor.execute("update stream_position set topic = %s where topic = 'review'", [topic(book)])
    book.connection.commit()
    broken = {"satisfaction": 9, "channel": "qr", "submitted_at": ago(1), "reviewer": WHO}
    bodies = [broken, broken | {"event_id": "other", "reviewer": WHO | {"phone": "13910241024"}}]
    records = [
        Record(n, NOW_MS, b"k", headers, json.dumps(body).encode())
        for n, (body, headers) in enumerate(zip(bodies, [(("ce_id", b"1024"),), ()], strict=True))
    ]
    escaped = b'{"event_id": "\\u0031024", "satisfaction": 9, "reviewer": {"phone": "%s"}}' % PHONE.encode()
    records.append(Record(2, NOW_MS, b"k", (), escaped))
    book.fold(Portion(Stream.REVIEW, topic(book), 0, 0, 3, records))
    assert erase(book, "1024").letters == 2
    pool, sealer = book.pool, book.folder.sealer
    with pool.connect() as connection:
        names = [Name(topic(book), 0, n, "id") for n in range(3)]
        letters = [dead_letters.whole(connection, [name])[0] for name in names]
    kept = [letter.open_parts(sealer) if letter.parts else letter.open(sealer) for letter in letters]
    assert PHONE.encode() not in msgspec.msgpack.encode(kept[0]) + msgspec.msgpack.encode(kept[2])
    assert b"13910241024" in kept[1]


def test_a_letter_that_a_backup_brought_back_is_not_opened(told: Ledger) -> None:
    ((value, around),) = told.ask("select value, around from dead_letter")
    erase(told)
    with told.connection.cursor() as cursor:
        cursor.execute("update dead_letter set value = %s, around = %s, parts = null", [value, around])
    told.connection.commit()
    with told.pool.connect() as connection:
        (letter,) = dead_letters.whole(connection, [Name(topic(told), 0, 3, "id")])
    with pytest.raises(IdentityErased):
        letter.open(told.folder.sealer)


def test_a_review_whose_identity_has_expired_says_that_it_was_erased(told: Ledger) -> None:
    told.ask(
        "update review set reviewer = null, reviewer_mark = '', flags = '{identity_expired}' where event_id = 'mine' returning 1"
    )
    erase(told)
    assert told.ask("select flags from review where event_id = 'mine'") == [(["identity_erased"],)]


def test_two_erasures_at_once_do_not_undo_each_other(told: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one begins and ends while the first one has read the block and not written it."""
    seen = erasing._Eraser._without
    turns = iter(["other"])

    def slowly(self: Any, data: bytes, partition: int) -> Any:
        found = seen(self, data, partition)
        if (name := next(turns, None)) is not None:
            erase(told, name)
        return found

    monkeypatch.setattr(erasing._Eraser, "_without", slowly)
    erase(told)
    assert [json.loads(one.value)["reviewer"] for one in raw(told) if one.value] == [{}, {}, {}]


def test_what_root_erases_others_can_read(tmp_path: Path) -> None:
    months = tmp_path / "months"
    months.mkdir()
    os.chown(months, 65534, 65534)
    Erasures(months / "erased").add(Erasure("mine", datetime.now(UTC), "li", "why"))
    made = [months / "erased", *(months / "erased").iterdir()]
    assert {(file.stat().st_uid, file.stat().st_gid) for file in made} == {(65534, 65534)}


def test_an_erasure_that_was_interrupted_is_ended_by_the_worker(
    told: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(erasing._Eraser, "_letters", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            erase(told)
    stopped = Event()
    stopped.set()
    assert erasing.erase_again(told.settings, told.folder.sealer, stopped) == 1, (
        "it begins, and is told to stop"
    )
    assert told.ask("select reviewer is null from review where event_id = 'mine'") == [(False,)]
    assert erasing.erase_again(told.settings, told.folder.sealer, Event()) == 1
    assert told.ask("select reviewer is null from review where event_id = 'mine'") == [(True,)]
    assert told.ask("select around is null, parts is null from dead_letter") == [(True, False)]
