"""kill -9 of a process in the middle of its appends: whatever it was told is on disk, is."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.producers.spool.making import spool, waiting

WRITER = """
    import sys, threading
    from pathlib import Path
    from tests.producers.spool.making import record, spool
    open_, said = spool(Path(sys.argv[1])), threading.Lock()
    def run(n):
        for i in range(100_000):
            open_.append(record(f"{sys.argv[2]}-{n}-{i}", value=bytes(600))).result()
            with said:
                print(f"{sys.argv[2]}-{n}-{i}", flush=True)
    for n in range(8):
        threading.Thread(target=run, args=(n,)).start()
"""
BEFORE_THE_COMMIT = """
    import time
    from producers.spool import committer
    inner = committer.Committer._commit
    def commit(self, group):
        for request in group:
            request.future.set_result(None)
        time.sleep(0.02)
        self._now()
        self._writing.write(group, [], self._now())
    committer.Committer._commit = commit
"""
"""The broken twin: whoever waits is told first."""


def killed(folder: Path, name: str, after: int, code: str = "") -> list[str]:
    """Kill a writer after so many acknowledgements; returns the ids that it was told are on disk."""
    script = textwrap.dedent(code) + textwrap.dedent(WRITER)
    words = [sys.executable, "-c", script, str(folder), name]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        told = [process.stdout.readline().strip() for _ in range(after)]
        process.send_signal(signal.SIGKILL)
        return told + process.stdout.read().split("\n")[:-1]


@pytest.mark.parametrize("after", [1, 50, 3_000])
def test_what_was_told_is_there_after_a_kill(after: int, tmp_path: Path) -> None:
    told = killed(tmp_path, "a", after) + killed(tmp_path, "b", after)
    with spool(tmp_path) as open_:
        found = waiting(open_)
        assert not set(told) - set(found)
        assert len(found) == len(set(found))
        assert len(told) >= 2 * after
        assert open_.stats().damaged == 0


def test_a_twin_that_tells_before_it_commits_is_found_out(tmp_path: Path) -> None:
    told = killed(tmp_path, "a", 50, BEFORE_THE_COMMIT)
    with spool(tmp_path) as open_:
        assert set(told) - set(waiting(open_))
