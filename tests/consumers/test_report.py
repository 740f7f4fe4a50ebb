"""`hcp status` for people: what is wrong first, times in the county's zone."""

from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console

from consumers.report import report

PICTURE: dict[str, Any] = {
    "errors": ["Kafka does not answer"],
    "notes": ["the input topics differ"],
    "asked_at": "2026-11-23T00:30:00+00:00",
    "addresses": {"desk": "http://127.0.0.1:18080/"},
    "topics": [],
    "components": [
        {
            "name": "worker-0",
            "state": "running",
            "at": "2026-11-23T00:29:58.123456+00:00",
            "last_error": "refused",
            "last_error_at": "2026-11-22T16:00:00+00:00",
            "starts": 3,
            "started_at": "2026-11-22T23:00:00+00:00",
        }
    ],
}


def test_errors_come_first_and_times_are_of_the_county() -> None:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(report(PICTURE, ZoneInfo("Asia/Shanghai")))
    lines = capture.get().splitlines()
    assert [line.strip() for line in lines[:2]] == [
        "! Kafka does not answer",
        "note: the input topics differ",
    ]
    said = "\n".join(lines)
    for moment in (
        "as of 2026-11-23 08:30:00",
        "2026-11-23 08:29:58",
        "2026-11-23 00:00:00",
        "2026-11-23 07:00:00",
    ):
        assert f"{moment}+08:00" in said
    assert "+00:00" not in said
