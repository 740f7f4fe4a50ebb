"""Logs are bounded while their processes run and write on."""

import sys
from pathlib import Path

from deploy.child import Child, rotate
from deploy.stack import Stack
from pipeline.settings import Settings
from tests.wait import wait_for

TALKER = """
import sys
while True:
    sys.stdout.write("x" * 999 + chr(10)); sys.stdout.flush()
"""


def test_a_log_that_grows_is_begun_anew_and_the_one_before_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text("old\n")
    rotate(log, 3)
    assert (log.read_text(), (tmp_path / "worker.log.1").read_text()) == ("", "old\n")
    log.write_text("new\n")
    rotate(log, 4)
    assert (log.read_text(), (tmp_path / "worker.log.1").read_text()) == ("new\n", "old\n")


def test_a_process_writes_on_into_the_log_that_was_begun_anew(tmp_path: Path) -> None:
    child = Child("talker", [sys.executable, "-c", TALKER], tmp_path / "log" / "talker.log")
    child.start()
    try:
        for _ in range(3):
            wait_for(lambda: child.log.stat().st_size > 50_000, 20, "it to talk")
            rotate(child.log, 50_000)
        wait_for(lambda: child.log.stat().st_size > 0, 20, "it to talk on")
    finally:
        child.stop(5)
    assert child.log.read_bytes()[:1] == b"x", "not a hole as long as what was cut off"


def test_the_supervisor_looks_after_every_log_of_its_folder(tmp_path: Path) -> None:
    stack = Stack(Settings.model_validate({"stack": {"data_dir": tmp_path}}))
    (tmp_path / "log").mkdir()
    for name in ("kafka", "up"):
        with stack.log(name).open("wb") as log:
            log.truncate(11_000_000)
    stack.rotate_logs()
    assert [stack.log(name).stat().st_size for name in ("kafka", "up")] == [0, 0]
