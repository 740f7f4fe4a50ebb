"""Month keys: made once, of one month, found by others, gone for good when they are destroyed. No servers."""

import base64
import json
import multiprocessing
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import month_keys
from pipeline.month_keys import (
    RECHECK_SECONDS,
    Destroyed,
    KeyRingError,
    MonthKey,
    MonthKeys,
    end_of,
    month_named,
    month_of,
    name_of,
)
from pipeline.seal_keys import Seal
from pipeline.sealing import CannotOpen, KeyDestroyed, Sealer
from tests.conftest import SEAL_KEY

AT = datetime(2026, 11, 23, tzinfo=UTC)
GONE = datetime(2029, 12, 2, 3, tzinfo=UTC)


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def sealer(folder: Path) -> Sealer:
    return Sealer(Seal.model_validate({"current": "k1", "keys": {"k1": SEAL_KEY}, "months": folder}))


def sealing(keys: MonthKeys, at: datetime = AT) -> str:
    found = keys.sealing(at)
    assert isinstance(found, MonthKey)
    return found.key_id


def destroy(keys: MonthKeys, at: datetime = AT) -> Destroyed:
    return keys.destroy(month_of(at), GONE, "worker-1", "its retention was over")


@pytest.mark.parametrize(
    ("at", "month"),
    [
        (datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC), 202611),
        (datetime(2026, 12, 1, tzinfo=UTC), 202612),
        (datetime(2026, 12, 1, 7, 59, tzinfo=timezone(timedelta(hours=8))), 202611),
        (datetime(2026, 12, 1, 8, tzinfo=timezone(timedelta(hours=8))), 202612),
        (datetime(2026, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-8))), 202701),
        (datetime(1970, 1, 1, tzinfo=UTC), 200001),
        (datetime(9999, 12, 31, tzinfo=UTC), 299912),
    ],
)
def test_a_month_begins_and_ends_in_utc(tmp_path: Path, at: datetime, month: int) -> None:
    assert month_of(at) == month
    assert sealing(MonthKeys(tmp_path), at).startswith(f"m{month}")


@given(st.datetimes(datetime(2000, 1, 1), datetime(2999, 12, 31), timezones=st.just(UTC)))
def test_a_time_lies_before_the_end_of_its_month_and_no_month_between(at: datetime) -> None:
    end = end_of(month_of(at))
    assert end - timedelta(days=31) <= at < end
    assert month_of(end - timedelta(microseconds=1)) == month_of(at)
    assert month_named(name_of(month_of(at))) == month_of(at)


@pytest.mark.parametrize("words", ["2026-13", "2026-1", "", "1999-12", "november", "m2026111"])
def test_what_is_no_month_is_none(words: str) -> None:
    assert month_named(words) is None


def test_keys_are_random_32_bytes_for_our_eyes_only(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "months"
    ids = {sealing(MonthKeys(folder)), sealing(MonthKeys(folder), AT + timedelta(days=20))}
    assert len(ids) == 2
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["m202611.key", "m202612.key"], "no draft stays"
    assert {len(base64.b64decode(file.read_text(), validate=False)) for file in files} == {32}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sealing(MonthKeys(tmp_path / "b")) not in ids, (
        "not derived from anything: another folder has another key"
    )


def test_threads_that_race_have_one_key(tmp_path: Path) -> None:
    ready = threading.Barrier(16)

    def first(_: int) -> str:
        keys = MonthKeys(tmp_path)
        ready.wait()
        return sealing(keys)

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(first, range(16)))) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["m202611.key"]


def _race(folder: str, ready: Any, said: Any) -> None:
    keys = MonthKeys(Path(folder))
    ready.wait()
    said.put([sealing(keys, AT + timedelta(days=31 * n)) for n in range(12)])


def test_processes_that_race_have_one_key_a_month(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready, said = spawn.Barrier(4), spawn.Queue()
    racing = [spawn.Process(target=_race, args=(str(tmp_path), ready, said)) for _ in range(4)]
    for one in racing:
        one.start()
    found = {tuple(said.get(timeout=30)) for _ in racing}
    for one in racing:
        one.join()
    assert len(found) == 1


def test_a_twin_that_only_writes_the_file_loses_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a race costs without the link: the second key takes the place of the first, which has sealed something."""
    first, second = MonthKeys(tmp_path), MonthKeys(tmp_path)
    monkeypatch.setattr(os, "link", os.replace)
    key_id = sealing(first)
    second._make(202611)
    assert sealing(second) != key_id


def test_a_key_that_another_process_made_is_found_at_once(tmp_path: Path) -> None:
    ours, theirs = sealer(tmp_path), sealer(tmp_path)
    foreign = theirs.seal_reviewer("e", phone="1", at=AT)
    missing = foreign.replace("m202611", "m202612")
    for _ in range(2):
        with pytest.raises(CannotOpen, match="not sealed with a key of ours"):
            ours.open_reviewer("e", missing)
    assert ours.open_reviewer("e", foreign).phone == "1"
    later = theirs.seal_reviewer("e", phone="2", at=AT + timedelta(days=20))
    assert ours.open_reviewer("e", later).phone == "2", "without a restart, and without waiting"
    assert ours.seal_reviewer("e", phone="1", at=AT) == foreign, "any process seals alike"


def test_no_record_costs_an_access_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    keys = MonthKeys(tmp_path, clock)
    key_id = sealing(keys)
    reads: list[Path] = []
    read = month_keys._bytes

    def noted(file: Path) -> bytes | None:
        reads.append(file)
        return read(file)

    monkeypatch.setattr(month_keys, "_bytes", noted)
    for _ in range(1000):
        assert sealing(keys) == key_id
        assert keys.opening(key_id)
    assert reads == []
    clock.now = RECHECK_SECONDS
    assert sealing(keys) == key_id
    assert 0 < len(reads) <= 3


def test_a_destroyed_key_opens_nothing_and_says_since_when(tmp_path: Path) -> None:
    here = sealer(tmp_path)
    sealed = here.seal_reviewer("e", phone="1", at=AT)
    key = (tmp_path / "m202611.key").read_bytes()
    destroy(here.months)
    assert [file.name for file in tmp_path.iterdir()] == ["m202611.destroyed"]
    said = "the key of 2026-11 was destroyed on 2029-12-02 by worker-1: its retention was over"
    for one in (here, sealer(tmp_path)):
        with pytest.raises(KeyDestroyed, match=said):
            one.open_reviewer("e", sealed)
        with pytest.raises(KeyDestroyed, match=said):
            one.seal_reviewer("e", phone="1", at=AT)
    assert stat.S_IMODE((tmp_path / "m202611.destroyed").stat().st_mode) == 0o600
    assert key not in (tmp_path / "m202611.destroyed").read_bytes()


def test_a_process_that_runs_forgets_a_destroyed_key_within_half_a_minute(tmp_path: Path) -> None:
    clock = Clock()
    running = MonthKeys(tmp_path, clock)
    key_id = sealing(running)
    destroy(MonthKeys(tmp_path))
    assert running.opening(key_id), "so long it has what it knew"
    clock.now = RECHECK_SECONDS
    assert isinstance(running.opening(key_id), Destroyed)
    assert isinstance(running.sealing(AT), Destroyed)
    assert RECHECK_SECONDS <= 60


def test_the_file_is_overwritten_before_it_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = MonthKeys(tmp_path)
    sealing(keys)
    file, twin = tmp_path / "m202611.key", tmp_path / "seen-through"
    key = file.read_bytes()
    os.link(file, twin)
    destroy(keys)
    assert twin.stat().st_size == len(key)
    assert twin.read_bytes() != key


def test_destroying_again_changes_nothing_and_the_first_date_stays(tmp_path: Path) -> None:
    keys = MonthKeys(tmp_path)
    sealing(keys)
    first = destroy(keys)
    again = keys.destroy(202611, GONE + timedelta(days=1), "somebody", "again")
    assert again == first == Destroyed(GONE, "worker-1", "its retention was over", first.made)
    assert first.made is not None


def test_a_copy_of_the_folder_that_brings_a_key_back_opens_nothing(tmp_path: Path) -> None:
    here = sealer(tmp_path)
    sealed, key = here.seal_reviewer("e", phone="1", at=AT), (tmp_path / "m202611.key").read_bytes()
    destroy(here.months)
    (tmp_path / "m202611.key").write_bytes(key)
    assert here.months.entries()[0].is_back
    with pytest.raises(KeyDestroyed):
        sealer(tmp_path).open_reviewer("e", sealed)
    destroy(here.months)
    assert [entry.is_back for entry in here.months.entries()] == [False]


def test_a_crash_in_the_middle_of_destroying_is_no_damage(tmp_path: Path) -> None:
    keys = MonthKeys(tmp_path)
    sealing(keys)
    destroy(keys)
    (tmp_path / "m202611.key").write_bytes(os.urandom(45))
    assert isinstance(MonthKeys(tmp_path).sealing(AT), Destroyed)
    assert [(entry.key_ids, entry.is_back) for entry in keys.entries()] == [([], True)]


def test_a_key_is_not_made_while_it_is_destroyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The marker comes between the look for it and the link."""
    keys, link = MonthKeys(tmp_path), os.link

    def destroyed_meanwhile(draft: Path, file: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        destroy(MonthKeys(tmp_path))
        link(draft, file)

    monkeypatch.setattr(os, "link", destroyed_meanwhile)
    assert isinstance(keys.sealing(AT), Destroyed)
    assert [file.name for file in tmp_path.iterdir()] == ["m202611.destroyed"]


def test_two_folders_of_one_month_can_be_joined(tmp_path: Path) -> None:
    one, other = sealer(tmp_path / "one"), sealer(tmp_path / "other")
    own, foreign = (s.seal_reviewer("e", phone="1", at=AT) for s in (one, other))
    assert own != foreign
    with pytest.raises(CannotOpen, match="not sealed with a key of ours"):
        one.open_reviewer("e", foreign)
    (tmp_path / "one" / "m202611-other.key").write_bytes((tmp_path / "other" / "m202611.key").read_bytes())
    joined = sealer(tmp_path / "one")
    assert {joined.open_reviewer("e", sealed).phone for sealed in (own, foreign)} == {"1"}
    assert joined.seal_reviewer("e", phone="1", at=AT) == own, "the file that is called for the month seals"
    assert len(joined.months.entries()[0].key_ids) == 2
    destroy(joined.months)
    assert [file.name for file in (tmp_path / "one").iterdir()] == ["m202611.destroyed"]


def test_what_the_settings_keys_sealed_still_opens(tmp_path: Path) -> None:
    """As versions before the months' keys sealed identities and dead letters."""
    here = sealer(tmp_path)
    before = here.seal(json.dumps({"phone": "1"}).encode(), "e")
    assert before.startswith("s1.k1.")
    assert here.open_reviewer("e", before).phone == "1"
    assert not list(tmp_path.iterdir()), "what is sealed with the current key needs no month"


@pytest.mark.parametrize("damage", ["", "not base64!", base64.b64encode(bytes(32)).decode()])
def test_a_damaged_key_is_told_and_nothing_is_sealed_with_another(tmp_path: Path, damage: str) -> None:
    sealing(MonthKeys(tmp_path))
    (tmp_path / "m202611.key").write_text(damage)
    with pytest.raises(
        KeyRingError, match=r"m202611\.key is damaged .*: restore it from a copy of the folder"
    ):
        MonthKeys(tmp_path).sealing(AT)


def test_a_folder_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "months").write_text("a file")
    with pytest.raises(KeyRingError, match=r"cannot be used \(Not a directory\): .* HCP_SEAL__MONTHS"):
        MonthKeys(tmp_path / "months").sealing(AT)


def test_entries_are_in_order_and_say_what_there_is(tmp_path: Path) -> None:
    keys = MonthKeys(tmp_path)
    assert MonthKeys(tmp_path / "nowhere").entries() == []
    sealing(keys, AT + timedelta(days=20))
    november = sealing(keys)
    (tmp_path / "m202699.key").write_text("no month")
    destroy(keys, AT + timedelta(days=20))
    first, second = keys.entries()
    assert (first.month, first.key_ids, first.destroyed) == (202611, [november], None)
    assert (second.month, second.key_ids, second.destroyed and second.destroyed.at) == (202612, [], GONE)
    assert all(
        entry.made is not None and abs(entry.made - datetime.now(UTC)) < timedelta(minutes=5)
        for entry in keys.entries()
    )
