"""`hcp terminal`, as a window's program uses it: against a gateway that listens, that is away, that refuses; and killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from producers.terminal.cli import app
from tests.producers.gateway.house import TERMINAL
from tests.producers.terminal.stand import WINDOW, Stand, unbroken

REVIEW = {"satisfaction": 5}


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    made = Stand(tmp_path)
    made.open()
    yield made
    made.close()


@pytest.fixture
def home(stand: Stand, tmp_path: Path) -> Path:
    """An enrolled terminal."""
    folder = tmp_path / "terminal"
    assert enrol(stand.link, folder).exit_code == 0
    return folder


def hcp(*words: str, said: str = "") -> Result:
    return CliRunner().invoke(app, list(words), input=said)


def enrol(text: str, folder: Path) -> Result:
    return hcp("enrol", "--channel", "hall_tablet", "--folder", str(folder), said=f"{text}\n")


def lines(*reviews: Any) -> str:
    return "".join(f"{json.dumps(one)}\n" for one in reviews)


def status(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(hcp("status", "--folder", str(folder)).output)
    return told


def test_a_review_arrives_in_its_chain(stand: Stand, home: Path) -> None:
    words = ("review", "--folder", str(home), "--satisfaction", "2", "--reason", "214", "--case-no", "C1")
    first, second = hcp(*words, "--comment", "等了很久"), hcp(*words, "--service-no", "2")
    assert [first.exit_code, second.exit_code] == [0, 0]
    one, two = stand.reviews()
    assert json.loads(first.output) == {"event_id": one["event_id"], "device_seq": 1}
    said = {"satisfaction": 2, "reason_codes": ["214"], "case_no": "C1", "comment": "等了很久"}
    place = {"channel": "hall_tablet", "window_code": WINDOW, "device_id": TERMINAL, "hall_code": "H1"}
    assert one.items() >= (said | place).items()
    assert two["service_no"] == 2
    unbroken(stand, 2)
    assert status(home)["waiting"] == 0


def test_without_the_net_it_is_kept_and_goes_next_time(stand: Stand, home: Path) -> None:
    stand.close()
    kept = hcp("review", "--folder", str(home), "--satisfaction", "5", "--drain", "0.5")
    assert kept.exit_code == 0
    assert "not sent yet: 1" in kept.stderr
    told = status(home)
    assert (told["device_seq"], told["waiting"], told["device_id"]) == (1, 1, TERMINAL)
    assert told["oldest"]
    stand.open()
    assert hcp("run", "--folder", str(home), said=lines(REVIEW)).exit_code == 0
    unbroken(stand, 2)


def test_each_line_is_answered_and_a_bad_one_takes_no_number(stand: Stand, home: Path) -> None:
    said = lines(REVIEW, {"satisfaction": 9}, {"satisfaction": 4, "event_id": "e7"}) + "nonsense\n\n"
    ran = hcp("run", "--folder", str(home), said=said + lines({"satisfaction": 4, "event_id": "e7"}, REVIEW))
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [one.get("device_seq") for one in told] == [1, None, 2, None, 2, 3]
    assert [one["error"] for one in told if "error" in one] == ["out_of_range", "not_json"]
    unbroken(stand, 3)


def test_what_the_gateway_refuses_is_set_aside_and_told(stand: Stand, home: Path) -> None:
    said = lines(REVIEW, {"satisfaction": 5, "hall_code": "H9", "event_id": "e2"}, REVIEW)
    hcp("run", "--folder", str(home), said=said)
    assert [one["device_seq"] for one in stand.reviews()] == [1, 3]
    (refused,) = status(home)["refused"].items()
    assert refused[0] == "e2"
    assert "foreign_place" in refused[1]


def test_an_unknown_key_waits_and_says_why(stand: Stand, tmp_path: Path) -> None:
    folder = tmp_path / "stranger"
    enrol(stand.link_of(TERMINAL, bytes(32)), folder)
    ran = hcp("run", "--folder", str(folder), "--drain", "0.5", said=lines(REVIEW))
    assert "signature_wrong" in ran.stderr
    assert status(folder)["waiting"] == 1


def test_another_device_does_not_take_over_while_reviews_wait(stand: Stand, home: Path) -> None:
    stand.close()
    hcp("review", "--folder", str(home), "--satisfaction", "5", "--drain", "0")
    other, same = stand.link_of("terminal-2", bytes(32)), stand.link
    refused = enrol(other, home)
    assert refused.exit_code != 0
    assert "reviews of terminal-1 wait" in str(refused.exception)
    assert "does not answer" in str(enrol(same, home).exception)
    stand.open()
    assert enrol(same, home).exit_code == 0, "a new key of the same device, and its link was not used up"
    assert status(home)["device_id"] == TERMINAL


def test_a_link_works_once(stand: Stand, home: Path, tmp_path: Path) -> None:
    link = stand.link
    assert enrol(link, tmp_path / "one").exit_code == 0
    refused = enrol(link, tmp_path / "two")
    assert refused.exit_code != 0
    assert "works once, and for 15 minutes; hcp device rotate prints another" in str(refused.exception)
    assert not (tmp_path / "two").exists()


def test_a_terminal_that_nobody_enrolled_says_so(tmp_path: Path) -> None:
    for words in (("status",), ("run",), ("review", "--satisfaction", "5")):
        refused = hcp(*words, "--folder", str(tmp_path))
        assert "hcp terminal enrol" in str(refused.exception)
    assert "enrolment link" in str(enrol("https://hcp.example/", tmp_path).exception)


def test_killed_again_and_again_it_sends_each_review_once(stand: Stand, home: Path) -> None:
    said = [{"satisfaction": 5, "event_id": f"e{number}"} for number in range(60)]
    answered = 0
    for _ in range(4):
        answered = killed_after(home, said[answered:], 12) + answered
    ran = hcp("run", "--folder", str(home), said=lines(*said))
    assert len(ran.stdout.splitlines()) == 60
    unbroken(stand, 60)


def killed_after(home: Path, said: list[dict[str, Any]], count: int) -> int:
    """Run it, SIGKILL it when it has answered so often; returns how often it did."""
    command = [sys.executable, "-c", "from deploy.cli import main; main()", "terminal", "run"]
    with subprocess.Popen(
        [*command, "--folder", str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(lines(*said).encode())
        process.stdin.flush()
        for _ in range(count):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.stdin.close()
    return count
