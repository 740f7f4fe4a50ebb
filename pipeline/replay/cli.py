"""`hcp replay`: the ledger once more from what the log said, compared with the live one, and accepted or dropped."""

import getpass
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.settings import load

if TYPE_CHECKING:
    from pipeline.replay.diff import Diff

app = typer.Typer(
    help="Replay the log into a fresh ledger beside the live one, and compare. Without a subcommand: begin one."
)


class From(StrEnum):
    """Where a replay reads."""

    RAW = "raw"
    LOG = "log"


JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
BY = Annotated[str, typer.Option(help="Who; the user of this shell if not given.")]
WHY = Annotated[str, typer.Option(help="For the record.")]
EVERYTHING = Annotated[bool, typer.Option("--all", help="Print the numbers that are the same, too.")]


@app.callback(invoke_without_command=True)
def replay(
    context: typer.Context,
    source: Annotated[
        From, typer.Option(help="raw: the ledger's own raw records; log: the log, and raw where it has none.")
    ] = From.RAW,
    since: Annotated[
        list[str] | None,
        typer.Option("--from", help="A time, or topic/partition/offset; several are possible."),
    ] = None,
    until: Annotated[
        list[str] | None, typer.Option("--to", help="A time, or topic/partition/offset (this one not).")
    ] = None,
    rules: Annotated[str, typer.Option(help="Other settings: window_hours=48,collection_hours=24,…")] = "",
    by: BY = "",
    as_json: JSON = False,
    everything: EVERYTHING = False,
) -> None:
    """Begin a replay; the live ledger is only read."""
    if context.invoked_subcommand:
        return
    from pipeline.replay.rules import changed
    from pipeline.replay.run import Order, begin

    settings = changed(load(), rules)
    schema = begin(
        settings, Order(source.value, tuple(since or ()), tuple(until or ()), by or getpass.getuser())
    )
    typer.echo(
        f"replaying into the schema {schema}; interrupted, it goes on with `hcp replay resume {schema}`",
        err=True,
    )
    _run(schema, as_json=as_json, everything=everything)


@app.command()
def resume(schema: str, as_json: JSON = False, everything: EVERYTHING = False) -> None:
    """Go on with a replay that was interrupted, or that the live ledger has left behind."""
    _run(schema, as_json=as_json, everything=everything)


@app.command("list")
def list_replays() -> None:
    """All replays: what was asked for, and what became of them."""
    from rich.console import Console

    from pipeline.replay.register import every
    from pipeline.replay.report import listing
    from pipeline.replay.run import opened

    settings = load()
    with opened(settings) as pool, pool.connect() as connection:
        Console().print(listing(every(connection), settings.rules.zone))


@app.command()
def diff(schema: str, as_json: JSON = False, everything: EVERYTHING = False) -> None:
    """Compare every published number once more, as of now."""
    from pipeline.replay.diff import diff as compare
    from pipeline.replay.register import find
    from pipeline.replay.run import opened

    settings = load()
    with opened(settings) as pool:
        with pool.connect() as connection:
            found = find(connection, schema)
        _print(compare(pool, settings, found), as_json=as_json, everything=everything)


@app.command()
def accept(schema: str, why: WHY, by: BY = "") -> None:
    """Put this replay in the live ledger's place, which is kept; workers go on without a restart."""
    from pipeline.replay.accept import accept as run

    accepted = run(load(), schema, by or getpass.getuser(), why)
    typer.echo(f"{schema} is the ledger now; the one before is kept as the schema {accepted.kept_as}")
    typer.echo(f"the log will be told of {accepted.told:,} differences")
    if accepted.missing:
        typer.echo(
            f"{len(accepted.missing)} tickets that people worked on have no bad review any more; their steps are kept, see"
            f" office.replay_finding: {', '.join(map(str, accepted.missing))}"
        )


@app.command()
def drop(schema: str, why: WHY = "", by: BY = "") -> None:
    """Remove a replayed schema; its entry in the list stays."""
    from pipeline.replay.accept import drop as run

    run(load(), schema, by or getpass.getuser(), why)
    typer.echo(f"{schema} is gone")


def _run(schema: str, *, as_json: bool, everything: bool) -> None:
    """Replay with a bar, then print the diff."""
    from pipeline.replay.progress import bar
    from pipeline.replay.run import run

    with bar(schema) as progress:
        found = run(load(), schema, progress)
    _print(found, as_json=as_json, everything=everything)


def _print(found: "Diff", *, as_json: bool, everything: bool) -> None:
    from rich.console import Console

    from pipeline.replay.report import report

    if as_json:
        typer.echo(json.dumps(found._asdict(), ensure_ascii=False))
    else:
        Console().print(report(found, everything=everything))
