"""`hcp spool`: what waits, what was refused, and both again."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.clock import utc_now
from producers.errors import InputError
from producers.spool.cli import app
from producers.spool.errors import SpoolTaken
from tests.producers.spool.making import BEGIN, Clock, fill, spool, waiting


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spool with one row sent (just now), one refused, two waiting (for a while)."""
    clock = Clock()
    with spool(tmp_path, clock=clock) as open_:
        fill(open_, "e1", "e2", "e3", "e4")
        clock.at = utc_now()
        open_.mark_sent(open_.pending(2), {2: "too_large"})
    return tmp_path


def said(*words: str) -> str:
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_status_also_beside_the_process_that_has_it(folder: Path) -> None:
    told = json.loads(said("status", "--folder", str(folder)))
    assert told == {
        "pending": 2,
        "sent": 2,
        "refused": 1,
        "oldest": BEGIN.isoformat(),
        "damaged_files": 0,
    }
    with spool(folder) as open_:
        open_.mark_sent(open_.pending(2))
        assert json.loads(said("status", "--folder", str(folder)))["oldest"] is None


def test_refused_and_retry(folder: Path) -> None:
    assert said("refused", "--folder", str(folder)) == "e2  2026-11-23 15:20:00+08:00  too_large\n"
    assert said("retry", "--folder", str(folder)) == "1 rows wait again\n"
    assert said("refused", "--folder", str(folder)) == ""
    with spool(folder) as open_:
        assert waiting(open_) == ["e3", "e4", "e2"]


def test_resend(folder: Path) -> None:
    assert said("resend", "--hours", "0", "--folder", str(folder)) == "2 rows wait\n"
    assert said("resend", "--hours", "8760", "--folder", str(folder)) == "3 rows wait\n"
    with spool(folder) as open_:
        assert waiting(open_) == ["e1", "e3", "e4"]


def test_what_changes_a_spool_needs_it_for_itself(folder: Path) -> None:
    with spool(folder), pytest.raises(SpoolTaken):
        said("retry", "--folder", str(folder))


def test_no_spool_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no spool"):
        said("status", "--folder", str(tmp_path))
