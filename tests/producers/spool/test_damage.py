"""A damaged spool is found out, moved aside, and told of; every row that can be read is in the new one."""

import logging
import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from producers.spool import damage
from producers.spool.errors import AlreadyUsed, SpoolDamaged
from producers.spool.high_water import FILE as HIGH_WATER
from producers.spool.journal import FRAME_BYTES, HEADER_BYTES
from producers.spool.tables import FILE, JOURNAL, PAGE_BYTES
from tests.producers.spool.making import crashed, fill, record, spool, waiting

LONG = bytes(range(256)) * 40
"""Two overflow pages."""
IDS = [f"e{n}" for n in range(60)]


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """What a kill left of sixty rows: the first thirty in the database, the others in its journal."""
    folder = tmp_path / "a"
    with spool(folder) as first:
        for n, event_id in enumerate(IDS[:30]):
            fill(first, event_id, value=LONG if n % 5 == 0 else b"short")
    with spool(folder) as second:
        for n, event_id in enumerate(IDS[30:]):
            fill(second, event_id, value=LONG if n % 5 == 0 else b"short")
        return crashed(folder, tmp_path / "left")


def flip(file: Path, at: int) -> None:
    """One byte is another."""
    with file.open("r+b") as opened:
        opened.seek(at)
        (byte,) = opened.read(1)
        opened.seek(at)
        opened.write(bytes([byte ^ 0x5A]))


def cut(file: Path, size: int) -> None:
    """The file ends here."""
    os.truncate(file, size)


def frames(folder: Path) -> int:
    return ((folder / JOURNAL).stat().st_size - HEADER_BYTES) // FRAME_BYTES


def nothing(_: Path) -> None:
    """No damage."""


def end_of_journal_torn(left: Path) -> None:
    """A kill in the middle of a transaction that nobody was told of: half a frame behind the last commit."""
    with (left / JOURNAL).open("ab") as journal:
        journal.write(random.Random(1).randbytes(FRAME_BYTES // 2))


def stale_index(left: Path) -> None:
    """An index of the journal from another life."""
    (left / f"{FILE}-shm").write_bytes(bytes(32_768))


@pytest.mark.parametrize("harm", [nothing, end_of_journal_torn, stale_index])
def test_what_a_kill_leaves_is_no_damage(harm: Callable[[Path], None], left: Path) -> None:
    harm(left)
    with spool(left) as open_:
        assert waiting(open_) == IDS
        assert open_.stats().damaged == 0


def journal_flipped(left: Path) -> None:
    """In a page of a row in the middle: SQLite would pass over everything behind it without a word."""
    flip(left / JOURNAL, HEADER_BYTES + frames(left) // 2 * FRAME_BYTES + 3_000)


def last_frame_flipped(left: Path) -> None:
    """The last commit: only the count of what was promised knows that it was one."""
    flip(left / JOURNAL, HEADER_BYTES + (frames(left) - 1) * FRAME_BYTES + 2_000)


def salt_flipped(left: Path) -> None:
    """A frame's salt: it looks like one of another generation, where the log ends."""
    flip(left / JOURNAL, HEADER_BYTES + frames(left) // 2 * FRAME_BYTES + 9)


def header_flipped(left: Path) -> None:
    """The journal's own header: SQLite would take the whole journal for nothing."""
    flip(left / JOURNAL, 17)


def journal_cut(left: Path) -> None:
    """The journal's second half is gone, commits and all."""
    cut(left / JOURNAL, HEADER_BYTES + frames(left) // 2 * FRAME_BYTES)


def journal_gone(left: Path) -> None:
    (left / JOURNAL).unlink()


def database_cut(left: Path) -> None:
    """The database's second half is gone."""
    cut(left / FILE, (left / FILE).stat().st_size // PAGE_BYTES // 2 * PAGE_BYTES)


def database_empty(left: Path) -> None:
    cut(left / FILE, 0)


def database_gone(left: Path) -> None:
    (left / FILE).unlink()


def head_overwritten(left: Path) -> None:
    """The database's first page: SQLite no longer takes it for one of its files."""
    spool(left).close()  # the journal had a copy of it
    with (left / FILE).open("r+b") as database:
        database.write(random.Random(1).randbytes(PAGE_BYTES))


def pages_overwritten(left: Path) -> None:
    """Every third page of the database."""
    with (left / FILE).open("r+b") as database:
        for number in range(2, (left / FILE).stat().st_size // PAGE_BYTES, 3):
            database.seek(number * PAGE_BYTES)
            database.write(random.Random(1).randbytes(PAGE_BYTES))


OLD, NEW = set(IDS[:30]), set(IDS[30:])
HARMS: list[tuple[Callable[[Path], None], set[str], int]] = [
    (journal_flipped, OLD, 50),
    (last_frame_flipped, OLD, 50),
    (salt_flipped, OLD | NEW, 60),
    (header_flipped, OLD | NEW, 60),
    (journal_cut, OLD, 40),
    (journal_gone, OLD, 30),
    (database_cut, NEW, 30),
    (database_empty, NEW, 30),
    (database_gone, NEW, 30),
    (head_overwritten, OLD | NEW, 60),
    (pages_overwritten, NEW, 30),
]
"""Each harm, the rows that it does not touch, and how many there must be at least."""


@pytest.mark.parametrize(("harm", "untouched", "least"), HARMS)
def test_damage_is_told_and_what_can_be_read_is_kept(
    harm: Callable[[Path], None],
    untouched: set[str],
    least: int,
    left: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = {file.name: file.stat().st_size for file in left.iterdir()}
    harm(left)
    with caplog.at_level(logging.ERROR), spool(left) as open_:
        (told,) = caplog.records
        found = waiting(open_)
        aside = sorted(file.name for file in left.iterdir() if damage.ASIDE in file.name)
        assert open_.stats().damaged == len(aside) > 0
        assert told.message == "spool_damaged"
        assert vars(told)["salvaged"] == len(found)
        assert found == sorted(found, key=IDS.index)
        assert untouched <= set(found)
        assert len(found) >= least
        rows = {row.record.event_id: row.record.value for row in open_.pending(100)}
        assert all(value in {LONG, b"short"} for value in rows.values())
        fill(open_, "new")
    with spool(left) as again:
        assert waiting(again) == [*found, "new"]
    assert len(caplog.records) == 1
    assert {name.partition(".damaged")[0] for name in aside} <= before.keys()


def cell_of(event_id: str) -> bytes:
    """A part of the row that lies in its leaf page, and nowhere else."""
    return b"\xa5ce_id\xc4" + bytes([len(event_id)]) + event_id.encode()


def flipped(data: bytearray, dice: random.Random) -> None:
    data[dice.randrange(len(data))] ^= dice.randrange(1, 256)


def sector_zeroed(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data) // 512) * 512
    data[at : at + 512] = bytes(512)


def sector_scrambled(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data) // 512) * 512
    data[at : at + 512] = dice.randbytes(512)


def pages_swapped(data: bytearray, dice: random.Random) -> None:
    one, other = (dice.randrange(len(data) // PAGE_BYTES) * PAGE_BYTES for _ in range(2))
    first, second = data[one : one + PAGE_BYTES], data[other : other + PAGE_BYTES]
    data[one : one + PAGE_BYTES], data[other : other + PAGE_BYTES] = second, first


def truncated(data: bytearray, dice: random.Random) -> None:
    del data[dice.randrange(len(data)) :]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("harm", [flipped, sector_zeroed, sector_scrambled, pages_swapped, truncated])
def test_whatever_happens_to_a_file_it_opens_gives_no_false_row_and_loses_none_in_silence(
    harm: Callable[[bytearray, random.Random], None], seed: int, left: Path
) -> None:
    dice = random.Random(seed)
    file = left / dice.choice([FILE, JOURNAL])
    data = bytearray(file.read_bytes())
    harm(data, dice)
    file.write_bytes(data)
    with spool(left) as open_:
        rows = open_.pending(1_000)
        assert all(row.record.value in {LONG, b"short"} for row in rows)
        lost = set(IDS) - {row.record.event_id for row in rows}
        assert not lost or open_.stats().damaged or open_.stats().refused_rows
        assert harm is not flipped or len(lost) <= 12
        fill(open_, "new")
    with spool(left) as again:
        assert waiting(again)[-1] == "new"


def test_a_row_whose_bytes_have_changed_is_set_aside_not_sent(left: Path) -> None:
    """The file is whole as SQLite sees it; the row's own checksum tells."""
    with spool(left):
        pass
    data = (left / FILE).read_bytes()
    flip(left / FILE, data.index(cell_of("e7")) + 3)
    with spool(left) as open_:
        assert "e7" not in waiting(open_)
        assert len(waiting(open_)) == 59
        assert open_.stats().refused_rows == 1
        found = open_.find("e7")
        assert found
        assert found.state == "refused"


def test_what_was_used_once_stays_used(tmp_path: Path) -> None:
    with spool(tmp_path / "a") as first:
        first.append(record("e1"), once="t/1").result(10)
        left = crashed(tmp_path / "a", tmp_path / "left")
    header_flipped(left)
    with spool(left) as open_:
        assert isinstance(open_.append(record("e2"), once="t/1").exception(10), AlreadyUsed)


def test_without_room_for_the_new_one_nothing_is_touched(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header_flipped(left)
    before = {file.name: file.read_bytes() for file in left.iterdir()}

    def full(*_: object) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(damage, "salvage", full)
    with pytest.raises(SpoolDamaged, match="is there room"):
        spool(left)
    assert {name: (left / name).read_bytes() for name in before} == before
    monkeypatch.undo()
    with spool(left) as open_:
        assert waiting(open_) == IDS


@pytest.mark.parametrize("moves", range(5))
def test_a_crash_between_two_moves_is_mended_by_the_next_start(
    moves: int, left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header_flipped(left)
    done = 0
    rename = Path.rename

    def some(path: Path, target: Path) -> Path:
        nonlocal done
        done += 1
        if done > moves:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", some)
    try:
        spool(left).close()
    except KeyboardInterrupt:
        assert moves < 4
    monkeypatch.undo()
    with spool(left) as open_:
        assert waiting(open_) == IDS
        assert open_.stats().damaged >= 3


def test_a_spool_that_was_about_to_be_made_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    (tmp_path / HIGH_WATER).touch()
    with spool(tmp_path) as open_:
        fill(open_, "e1")
        assert open_.stats().damaged == 0
