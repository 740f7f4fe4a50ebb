"""No view ends the supervisor: an error of the picture is a line in it."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from consumers.status import Status
from deploy.stack import Stack
from deploy.up import Up
from deploy.view import View
from pipeline.settings import Settings


def told(view: View) -> str:
    console = Console(width=300)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


@pytest.fixture
def view() -> View:
    return View(Stack(Settings()))


def test_the_errors_of_the_picture_are_in_the_view_and_in_the_line(view: View) -> None:
    view.picture = {"errors": ["the topic hcp.case.v1 does not exist"], "notes": [], "topics": []}
    assert "! the topic hcp.case.v1 does not exist" in told(view)
    assert "! the topic hcp.case.v1 does not exist" in view.line()


def test_a_picture_that_cannot_be_shown_is_a_line(view: View) -> None:
    view.picture = {"topics": [{}]}
    assert "! this view has a defect, what it shows goes on: KeyError: 'lag'" in told(view)
    assert "! this view has a defect, what it shows goes on: KeyError: 'lag'" in view.line()


def test_a_look_that_fails_is_an_error_of_the_picture(view: View) -> None:
    def collect() -> dict[str, Any]:
        raise KeyError("a topic that vanished")

    up = cast(Up, SimpleNamespace(view=view, status=SimpleNamespace(collect=collect)))
    assert "a topic that vanished" in asyncio.run(Up._look(up))["errors"][0]


def test_a_defect_of_a_question_is_an_error_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Status) -> None:
        raise KeyError("vanished")

    monkeypatch.setattr(Status, "_read_log", broken)
    monkeypatch.setattr(Status, "figures", broken)
    settings = Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": "127.0.0.1:1"},
            "database": {"url": "postgresql://hcp@127.0.0.1:1/hcp"},
        }
    )
    errors = Status(settings).collect()["errors"]
    assert errors == [
        f"{who}: this view has a defect: KeyError: 'vanished'" for who in ("Kafka", "the database")
    ]
