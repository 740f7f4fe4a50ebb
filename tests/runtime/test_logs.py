"""A line has its fields; the same line is written once a minute; libraries do not chatter."""

import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pipeline.runtime.logs import MAX_LINES, REPEAT_SECONDS, Lines, OncePerMinute


class Written(logging.Handler):
    """What reached the file."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(Lines().format(record).split(" ", 1)[1])


class Clock:
    """Seconds that stand until they are moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(written: Written, clock: Clock) -> Iterator[logging.Logger]:
    logger, handler = logging.getLogger("test.once"), OncePerMinute(written, clock)
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


def test_a_line_has_the_events_fields() -> None:
    record = logging.makeLogRecord({"msg": "away", "levelname": "WARNING", "task": "devices", "created": 0})
    assert (
        Lines().format(record) == f"{Lines().formatTime(record, Lines().datefmt)} WARNING away task=devices"
    )


def test_the_same_line_is_written_once_a_minute_with_its_count(
    log: logging.Logger, written: Written, clock: Clock
) -> None:
    for _ in range(1_000):
        log.warning("Invalid HTTP request received.")
    assert written.lines == ["WARNING Invalid HTTP request received."]
    clock.now += REPEAT_SECONDS
    log.warning("Invalid HTTP request received.")
    assert written.lines[1:] == [
        "WARNING Invalid HTTP request received. repeated=999",
        "WARNING Invalid HTTP request received.",
    ]


def test_lines_of_other_words_or_fields_are_all_written(log: logging.Logger, written: Written) -> None:
    for device in ("a", "b", "a"):
        log.error("secret_not_opened", extra={"device": device})
    log.warning("secret_not_opened", extra={"device": "a"})
    assert len(written.lines) == 3


def test_what_was_only_counted_is_written_at_the_end(log: logging.Logger, written: Written) -> None:
    log.warning("away")
    log.warning("away")
    log.handlers[0].flush()
    assert written.lines == ["WARNING away", "WARNING away repeated=1"]


def test_a_count_does_not_wait_for_the_next_line(
    log: logging.Logger, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.runtime.logs.REPEAT_SECONDS", 0.0)
    handler = log.handlers[0]
    log.warning("away")
    monkeypatch.setattr(handler, "_clock", lambda: 0.0)
    log.warning("away")
    timer = handler._timer  # type: ignore[attr-defined]
    timer.join(20)
    assert written.lines[-1] == "WARNING away repeated=1"


def test_what_is_remembered_is_bounded(log: logging.Logger, written: Written) -> None:
    for number in range(2 * MAX_LINES):
        log.warning("line %d", number)
        log.warning("line %d", number)
    assert len(log.handlers[0]._seen) == MAX_LINES  # type: ignore[attr-defined]
    assert sum("repeated=1" in line for line in written.lines) == MAX_LINES


CHATTER = """
import logging
from pipeline.runtime import logs
logs.begin()
for name in ("kafka.client", "kafka.conn", "aiokafka.consumer", "uvicorn.access", "httpx", "alembic.runtime.migration"):
    logging.getLogger(name).info("chatter")
logging.getLogger("kafka.conn").warning("chatter")
logging.getLogger("producers.gateway").info("ours")
logging.getLogger("uvicorn.error").warning("ours_too")
logging.getLogger("uvicorn.error").warning("ours_too")
"""


def test_libraries_do_not_chatter_and_counts_are_written_at_the_end_of_the_process() -> None:
    said = subprocess.run([sys.executable, "-c", CHATTER], capture_output=True, text=True, check=True).stderr
    assert [line.split(" ", 1)[1] for line in said.splitlines()] == [
        "INFO ours",
        "WARNING ours_too",
        "WARNING ours_too repeated=1",
    ]
