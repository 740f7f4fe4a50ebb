"""The spool: on disk before it is told, in order, once, bounded by place and purpose; one process at a time."""

import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from producers.spool.errors import AlreadyUsed, NonceUsed, SpoolBroken, SpoolTaken
from producers.spool.record import Appended
from producers.spool.tables import writer
from tests.producers.spool.making import BEGIN, Clock, crashed, fill, record, spool, waiting


def ended(future: "Future[Any]") -> Any:
    """What it gave, or the kind of error."""
    error = future.exception(10)
    return type(error) if error else future.result()


def test_what_is_appended_waits_in_order_and_survives_its_process(tmp_path: Path) -> None:
    with spool(tmp_path / "a") as first:
        fill(first, "e1", "e2", "e3")
        left = crashed(tmp_path / "a", tmp_path / "left")
    with spool(left) as second:
        assert waiting(second) == ["e1", "e2", "e3"]
        assert second.pending(1)[0].record == record("e1")
        fill(second, "e4")
        assert waiting(second) == ["e1", "e2", "e3", "e4"]


def test_a_clean_end_leaves_no_journal(tmp_path: Path) -> None:
    with spool(tmp_path) as open_:
        fill(open_, "e1")
        assert (tmp_path / "spool.db-wal").stat().st_size > 0
    assert not (tmp_path / "spool.db-wal").exists()


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    with spool(tmp_path / "new" / "spool") as open_:
        fill(open_, "e1")
        modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "new" / "spool").iterdir()}
        assert (tmp_path / "new" / "spool").stat().st_mode & 0o777 == 0o700
        assert {name for name, mode in modes.items() if mode & 0o077} <= {"lock"}


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    connection = writer(tmp_path, 100)
    assert connection.execute("pragma synchronous").fetchone() == (2,)
    assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
    connection.close()


def test_the_same_event_again_is_a_success_and_stored_once(tmp_path: Path) -> None:
    clock = Clock()
    with spool(tmp_path, clock=clock) as open_:
        first = open_.append(record("e1")).result(10)
        clock.jump(hours=1)
        again = open_.append(record("e1")).result(10)
        assert (first.fresh, first.seen_before, first.received_at) == (True, False, BEGIN)
        assert (again.fresh, again.seen_before, again.received_at) == (False, True, BEGIN)
        assert waiting(open_) == ["e1"]


def test_one_event_id_with_two_bodies_is_two_events(tmp_path: Path) -> None:
    with spool(tmp_path) as open_:
        assert open_.append(record("e1", digest="one")).result(10).fresh
        assert open_.append(record("e1", digest="two")).result(10).fresh
        assert waiting(open_) == ["e1", "e1"]


def test_a_batch_is_answered_one_by_one(tmp_path: Path) -> None:
    with spool(tmp_path) as open_:
        fill(open_, "e1")
        answers = open_.append_all([record("e1"), record("e2"), record("e2")], nonce="n").result(10)
        assert [isinstance(one, Appended) and one.fresh for one in answers] == [False, True, False]
        assert ended(open_.append_all([record("e3")], nonce="n")) is NonceUsed
        assert ended(open_.append_all([])) == []
        assert waiting(open_) == ["e1", "e2"]


def test_a_nonce_is_good_once_also_after_a_crash_until_it_is_too_old_to_matter(tmp_path: Path) -> None:
    clock = Clock()
    with spool(tmp_path / "a", clock=clock) as first:
        first.append(record("e1"), nonce="n").result(10)
        assert ended(first.append(record("e2"), nonce="n")) is NonceUsed
        left = crashed(tmp_path / "a", tmp_path / "left")
    with spool(left, clock=clock) as second:
        assert ended(second.append(record("e2"), nonce="n")) is NonceUsed
        clock.jump(minutes=11)
        second.prune()
        assert ended(second.append(record("e2"), nonce="n")).fresh
    assert spool_nonces(left) == ["n"]


def spool_nonces(folder: Path) -> list[str]:
    connection = writer(folder, 100)
    found = [nonce for (nonce,) in connection.execute("select nonce from nonce")]
    connection.close()
    return found


def test_a_nonce_of_what_was_not_stored_is_not_used(tmp_path: Path) -> None:
    with spool(tmp_path) as open_:
        open_.append(record("e1"), once="t/1").result(10)
        assert ended(open_.append(record("e2"), nonce="n", once="t/1")) is AlreadyUsed
        assert ended(open_.append(record("e2"), nonce="n")).fresh


def test_once_is_once_for_one_event_for_good(tmp_path: Path) -> None:
    clock = Clock()
    with spool(tmp_path / "a", clock=clock) as first:
        first.append(record("e1"), once="t/1").result(10)
        assert first.append(record("e1"), once="t/1").result(10).seen_before
        refused = first.append(record("e2"), once="t/1").exception(10)
        assert isinstance(refused, AlreadyUsed)
        assert refused.event_id == "e1"
        assert ended(first.append(record("e1", digest="other"), once="t/1")) is AlreadyUsed
        assert ended(first.append(record("e2"), once="t/2")).fresh
        first.mark_sent(first.pending(10))
        left = crashed(tmp_path / "a", tmp_path / "left")
    clock.jump(days=2)
    with spool(left, clock=clock) as second:
        second.prune()
        assert second.find("e1") is None
        assert ended(second.append(record("e3"), once="t/1")) is AlreadyUsed


def test_of_two_at_the_same_moment_one_is_first(tmp_path: Path) -> None:
    """They lie in one transaction: the committer is held up until all of them wait."""
    with spool(tmp_path) as open_:
        hold = threading.Event()
        held: Future[Any] = Future()
        open_._committer.submit(call(lambda _: hold.wait(10), held))
        futures = [
            open_.append(record("e1"), nonce="n1", once="t/1"),
            open_.append(record("e1"), nonce="n2", once="t/1"),
            open_.append(record("e2"), nonce="n3", once="t/1"),
            open_.append(record("e3"), nonce="n1"),
        ]
        hold.set()
        assert [answer if isinstance(answer, type) else answer.fresh for answer in map(ended, futures)] == [
            True,
            False,
            AlreadyUsed,
            NonceUsed,
        ]
        assert waiting(open_) == ["e1"]


def call(work: Any, future: "Future[Any]") -> Any:
    from producers.spool.writing import Call

    return Call(work, future)


def test_callers_from_many_threads_are_all_answered_and_share_commits(tmp_path: Path) -> None:
    with spool(tmp_path) as open_:
        writes: list[int] = []
        inner = open_._committer._writing.write
        open_._committer._writing.write = lambda *group: writes.append(len(group[0])) or inner(*group)  # type: ignore[func-returns-value, method-assign]
        threads = [
            threading.Thread(target=fill, args=(open_, *(f"{n}-{i}" for i in range(50)))) for n in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        found = waiting(open_)
        assert len(found) == len(set(found)) == 800
        for n in range(16):
            assert [one for one in found if one.startswith(f"{n}-")] == [f"{n}-{i}" for i in range(50)]
        assert sum(writes) == 800
        assert len(writes) < 800


def test_a_caller_who_goes_away_disturbs_nobody(tmp_path: Path) -> None:
    """A web server cancels what it no longer needs."""
    with spool(tmp_path) as open_:
        futures = [open_.append(record(f"e{n}")) for n in range(100)]
        assert not any(future.cancel() for future in futures)
        assert all(future.result(10).fresh for future in futures)


def test_a_second_process_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.producers.spool.making import spool\n"
        "open_ = spool(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(SpoolTaken, match=f"process {other.pid} "):
            spool(tmp_path)
        other.kill()
    with spool(tmp_path) as mine:
        fill(mine, "e1")
        with pytest.raises(SpoolTaken):
            spool(tmp_path)


def test_a_closed_spool_takes_nothing_and_says_so(tmp_path: Path) -> None:
    open_ = spool(tmp_path)
    waits = [open_.append(record(f"e{n}")) for n in range(50)]
    open_.close()
    assert all(future.result(0).fresh for future in waits)
    assert ended(open_.append(record("late"))) is SpoolBroken
    with spool(tmp_path) as again:
        assert len(waiting(again)) == 50
