"""The data folder: ours alone, on a disk with room; one stack in it."""

import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from deploy import private
from deploy.errors import StackError
from deploy.lock import Lock
from pipeline import whole_file


def test_the_folder_is_for_our_eyes_only(tmp_path: Path) -> None:
    private.make_folder(tmp_path / "data")
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert list((tmp_path / "data").iterdir()) == []


def test_a_full_disk_is_said_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=100, f_frsize=2**20))
    with pytest.raises(
        StackError, match=r"has 100 MB left and the stack needs 512: make room, or set HCP_STACK__DATA_DIR"
    ):
        private.make_folder(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match=r"cannot write to .*file/data .*or set HCP_STACK__DATA_DIR"):
        private.make_folder(tmp_path / "file" / "data")


def test_a_file_is_written_whole_with_mode_0600(tmp_path: Path) -> None:
    (tmp_path / "secrets.new").write_text("left by a power cut")
    whole_file.write(tmp_path / "secrets", b"x")
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secrets"]


def test_one_stack_a_folder(tmp_path: Path) -> None:
    assert Lock(tmp_path).holder() is None
    with Lock(tmp_path).held() as lock:
        assert Lock(tmp_path).holder() == (os.getpid(), False)
        lock.tell_ready()
        assert Lock(tmp_path).holder() == (os.getpid(), True)
        with (
            pytest.raises(StackError, match=rf"already runs here \(pid {os.getpid()}\)"),
            Lock(tmp_path).held(),
        ):
            pass
    assert Lock(tmp_path).holder() is None
