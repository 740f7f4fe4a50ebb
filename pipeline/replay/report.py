"""A diff and the register for people: tables on a terminal."""

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.replay.diff import Diff, Difference, Number
from pipeline.replay.register import Replay
from pipeline.times import shown


def report(diff: Diff, *, everything: bool) -> RenderableType:
    """The differences, then (`everything`) the county's numbers that are the same, then one sentence."""
    rows = [*diff.differences, *(diff.same if everything else [])]
    parts: list[RenderableType] = [_table(rows)] if rows else []
    if diff.behind:
        parts.append(Text(f"the replay has read {diff.behind:,} records less than the live ledger"))
    return Group(*parts, Text(sentence(diff)))


def sentence(diff: Diff) -> str:
    """What it comes to."""
    if not diff.differences:
        return f"no difference: {diff.numbers:,} published numbers are the same"
    return f"{len(diff.differences):,} of {diff.numbers:,} published numbers differ"


def listing(replays: Iterable[Replay], zone: ZoneInfo) -> RenderableType:
    """The register, the newest first; times are shown in `zone`."""
    table = Table(box=None)
    for column in ("schema", "source", "limits", "state", "begun", "ended", "why", "ledger before"):
        table.add_column(column, no_wrap=column in {"schema", "ledger before"}, overflow="fold")
    for one in replays:
        ended = f"{shown(one.ended_at, zone)} {one.ended_by}" if one.ended_at else ""
        limits = " ".join([*(f"from {at}" for at in one.since), *(f"to {at}" for at in one.until)])
        begun = f"{shown(one.begun_at, zone)} {one.begun_by}"
        table.add_row(
            *map(Text, (one.schema, one.source, limits, one.state, begun, ended, one.why, one.kept_as))
        )
    return table


def _table(differences: Iterable[Difference]) -> Table:
    table = Table("number", box=None)
    for column in ("before", "after", "difference"):
        table.add_column(column, justify="right")
    for one in differences:
        by = (one.after or 0) - (one.before or 0)
        table.add_row(
            one.name, _said(one.before), _said(one.after), f"{_said(by)}" if by <= 0 else f"+{_said(by)}"
        )
    return table


def _said(number: Number) -> str:
    if number is None:
        return "–"
    return f"{number:,}" if isinstance(number, int) else f"{number:.2%}"
