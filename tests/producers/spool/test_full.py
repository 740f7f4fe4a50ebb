"""Full, by its bound or because the disk is: new events are refused, what was told to be on disk stays, and room is room again."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from producers.spool.errors import SpoolBroken, SpoolFull
from producers.spool.record import Appended
from producers.spool.room import Bounds, Room
from producers.spool.spool import Spool
from tests.producers.spool.making import MIB, Clock, crashed, fill, record, spool, waiting

BODY = bytes(range(256)) * 16


def until_full(into: Spool, name: str, value: bytes = BODY) -> list[str]:
    """Append until it is refused; returns what was taken."""
    taken: list[str] = []
    for n in range(100_000):
        error = into.append(record(f"{name}{n}", value=value)).exception(10)
        if error is not None:
            assert isinstance(error, SpoolFull)
            assert error.retry_after > 0
            return taken
        taken.append(f"{name}{n}")
    raise AssertionError("it is never full")


def files(folder: Path) -> int:
    """Bytes of the spool's files."""
    return sum(file.stat().st_size for file in folder.iterdir())


@pytest.mark.parametrize(("max_bytes", "body"), [(MIB, 200), (MIB, 4_096), (8 * MIB, 60_000)])
def test_the_files_stay_within_the_bound_and_nothing_is_lost(
    max_bytes: int, body: int, tmp_path: Path
) -> None:
    with spool(tmp_path, max_bytes=max_bytes) as open_:
        taken = until_full(open_, "a", bytes(body))
        assert max_bytes // 2 < files(tmp_path) <= max_bytes
        assert open_.stats().used_bytes <= max_bytes
        assert waiting(open_) == taken
        assert open_.append(record(taken[0])).result(10).seen_before


def test_what_is_turned_away_is_counted(tmp_path: Path) -> None:
    before = turned_away()
    with spool(tmp_path, max_bytes=MIB) as open_:
        until_full(open_, "a")
        assert turned_away() == before + 1
        open_.append_all([record("b1", value=BODY), record("b2", value=BODY)]).result(10)
        assert turned_away() == before + 3


def turned_away() -> float:
    return REGISTRY.get_sample_value("hcp_spool_turned_away_total") or 0


def test_what_was_sent_makes_way_oldest_first_before_it_is_full(tmp_path: Path) -> None:
    with spool(tmp_path, max_bytes=MIB, clock=Clock()) as open_:
        taken = until_full(open_, "a")
        for _ in range(3):
            open_.mark_sent(open_.pending(10))
        fill(open_, "b", value=BODY)
        assert [open_.find(taken[n]) is None for n in (0, 9, 10, 29)] == [True, True, False, False]
        assert waiting(open_) == [*taken[30:], "b"]
        more = until_full(open_, "c")
        assert all(open_.find(one) is None for one in taken[:30])
        assert waiting(open_) == [*taken[30:], "b", *more]
        assert files(tmp_path) <= MIB, {file.name: file.stat().st_size for file in tmp_path.iterdir()}


def test_a_batch_in_a_full_spool_is_answered_one_by_one(tmp_path: Path) -> None:
    with spool(tmp_path, max_bytes=MIB) as open_:
        taken = until_full(open_, "a")
        batch = [record(taken[0], value=BODY), record("new", value=BODY)]
        known, new = open_.append_all(batch, nonce="n").result(10)
        assert isinstance(known, Appended)
        assert isinstance(new, SpoolFull)
        open_.mark_sent(open_.pending(1_000))
        assert all(isinstance(one, Appended) for one in open_.append_all(batch, nonce="n").result(10))


def test_full_and_empty_again_twenty_times(tmp_path: Path) -> None:
    """Marking and pruning always find the room that they need."""
    with spool(tmp_path, max_bytes=MIB) as open_:
        for n in range(20):
            assert until_full(open_, f"r{n}-")
            while rows := open_.pending(50):
                open_.mark_sent(rows)
        assert files(tmp_path) <= MIB, {file.name: file.stat().st_size for file in tmp_path.iterdir()}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={8 * MIB}", "spool", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nobody but root mounts a disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def occupy(disk: Path, leave: int = 0) -> Path:
    """Somebody else fills the disk."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        file.write(bytes(max(shutil.disk_usage(disk).free - leave, 0)))
    return ballast


def test_a_disk_smaller_than_the_bound_is_not_filled_to_the_last_byte(disk: Path) -> None:
    with spool(disk / "spool", max_bytes=64 * MIB) as open_:
        taken = until_full(open_, "a")
        assert shutil.disk_usage(disk).free > 0
        open_.mark_sent(open_.pending(len(taken)))
        more = until_full(open_, "b")
        assert waiting(open_) == more
        assert more


def test_a_disk_that_others_fill(disk: Path, tmp_path: Path) -> None:
    """Nothing acknowledged is lost, what can be answered is answered, and with room it goes on without being started again."""
    with spool(disk / "spool", max_bytes=MIB) as open_:
        fill(open_, *(f"a{n}" for n in range(40)), value=BODY)
        ballast = occupy(disk)
        assert isinstance(open_.append(record("full")).exception(10), SpoolFull)
        left = crashed(disk / "spool", tmp_path / "left")
        ballast.unlink()
        fill(open_, "b")
        assert waiting(open_) == [*(f"a{n}" for n in range(40)), "b"]
        assert open_.failed == ""
    with spool(left) as after_a_kill:
        assert waiting(after_a_kill) == [f"a{n}" for n in range(40)]


class Endless(Room):
    """Believes that there is always room: then SQLite itself finds the disk full."""

    def left(self, _: Any) -> int:
        return 1 << 40


@pytest.mark.parametrize("batch", [1, 20])
def test_a_disk_that_is_full_in_the_middle_of_a_write(
    disk: Path, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.spool.spool.Room", Endless)
    with spool(disk / "spool", max_bytes=MIB) as open_:
        fill(open_, *(f"a{n}" for n in range(10)), value=BODY)
        ballast = occupy(disk)
        taken = []
        for n in range(100):
            ids = [f"b{n}-{i}" for i in range(batch)]
            if error := open_.append_all([record(one, value=BODY) for one in ids]).exception(10):
                assert isinstance(error, SpoolFull)
                break
            taken += ids
        else:
            raise AssertionError("the disk never was full")
        assert waiting(open_) == [*(f"a{n}" for n in range(10)), *taken]
        ballast.unlink()
        fill(open_, "c")
        assert waiting(open_)[-1] == "c"


def test_a_mark_together_with_an_append_that_finds_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own limit of pages stands for the disk: the append is refused, the mark is not."""
    monkeypatch.setattr("producers.spool.spool.Room", Endless)
    with spool(tmp_path) as open_:
        fill(open_, *(f"a{n}" for n in range(10)), value=BODY)
        connection = open_._committer._writing._store.connection
        (pages,) = connection.execute("pragma page_count").fetchone()
        connection.execute(f"pragma max_page_count={pages}")
        rows, before = open_.pending(5), turned_away()
        append = open_.append(record("b", value=BODY * 4))
        open_.mark_sent(rows)
        assert isinstance(append.exception(10), SpoolFull)
        assert turned_away() == before + 1
        assert waiting(open_) == [f"a{n}" for n in range(5, 10)]
        connection.execute("pragma max_page_count=1000000")
        fill(open_, "b")
        assert waiting(open_)[-1] == "b"


def test_a_disk_that_fails_is_not_written_to_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed write nobody knows what the disk holds: only what opens the spool anew may say so."""
    with spool(tmp_path / "a") as open_:
        fill(open_, "e1")
        monkeypatch.setattr(open_._committer._writing, "_put", lambda *_: 1 / 0)
        assert isinstance(open_.append(record("e2")).exception(10), SpoolBroken)
        monkeypatch.undo()
        assert isinstance(open_.append(record("e3")).exception(10), SpoolBroken)
        with pytest.raises(SpoolBroken):
            open_.mark_sent(open_.pending(1))
        assert "ZeroDivisionError" in open_.failed
    with spool(tmp_path / "a") as again:
        fill(again, "e4")
        assert waiting(again) == ["e1", "e4"]


def test_bounds_are_shares_of_small_spools_and_fixed_for_large_ones() -> None:
    small, large = Bounds.of(MIB), Bounds.of(4 * 2**30)
    assert small.wal_bytes + small.reserve <= MIB // 4
    assert (large.wal_pages, large.reserve) == (1_000, 4 * MIB)
