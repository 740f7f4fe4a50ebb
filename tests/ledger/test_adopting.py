"""What ops see of positions, and that nothing is adopted before somebody has seen what would be read."""

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.ledger import adopting
from pipeline.ledger.adopting import Standing
from pipeline.ledger.positions import Position
from pipeline.log import Watermark

AT = ("hcp.review.v1", 3)
LOG = Watermark(*AT, "id", 0, 100)


@pytest.mark.parametrize(
    ("position", "words"),
    [
        (None, "no position yet"),
        (Position(*AT, "id", 100), "position 100"),
        (Position(*AT, "other", 5), "MADE ANEW (position belongs to topic id other)"),
        (Position(*AT, "id", 105), "LOST ITS END"),
    ],
)
def test_how_a_partition_stands(position: Position | None, words: str) -> None:
    standing = Standing(LOG, position)
    assert words in str(standing)
    assert standing.made_anew == any(odd in words for odd in ("ANEW", "LOST"))


@pytest.mark.parametrize(
    ("arguments", "answer", "adopted"),
    [
        ([], "y\n", True),
        ([], "n\n", False),
        ([], "", False),
        (["--yes"], "", True),
        (["--dry-run"], "y\n", False),
    ],
)
def test_adopting_says_what_would_be_read_and_asks(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], answer: str, adopted: bool
) -> None:
    done = []

    def adopt_topic(_: object, topic: str, *, dry_run: bool) -> list[str]:
        done.append(dry_run)
        return [f"{topic}[3]: {'would read' if dry_run else 'reads'} 100 records, 0..100"]

    monkeypatch.setattr(adopting, "adopt_topic", adopt_topic)
    said = CliRunner().invoke(app, ["positions", "adopt", AT[0], *arguments], input=answer).output
    assert "would read 100 records" in said
    assert done == [True, False][: 1 + adopted]
    assert (": reads 100 records" in said) == adopted


def test_what_is_no_topic_of_ours_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopting, "adopt_topic", lambda *_, **__: [])
    said = CliRunner().invoke(app, ["positions", "adopt", AT[0]]).output
    assert "nothing to adopt" in said
