"""`hcp migrate | topics | worker | verify | positions | replay`: the pipeline's commands."""

import json
from typing import Annotated

import typer

from pipeline.replay.cli import app as replay
from pipeline.settings import load

app = typer.Typer(no_args_is_help=True)
positions = typer.Typer(help="Where the ledger stands in the log.", no_args_is_help=True)
app.add_typer(positions, name="positions")
app.add_typer(replay, name="replay")


@app.command()
def migrate() -> None:
    """Bring the database's schemas up to date and load the catalogue."""
    from pipeline.ledger.migrate import upgrade

    upgrade(load().database)
    typer.echo("schemas are up to date")


@app.command()
def topics() -> None:
    """Declare the four topics, as far as they are missing."""
    from pipeline.log import declare_topics

    created = declare_topics(load().kafka)
    typer.echo("created: " + ", ".join(created) if created else "all four topics are there")


@app.command()
def worker() -> None:
    """Fold the log into the ledger until told to stop."""
    from pipeline.worker.app import run

    raise typer.Exit(run(load()))


@app.command()
def verify(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Recompute the counters from the rows and check the invariants; exit 1 with the list of what is wrong."""
    from pipeline.ledger.verify import verify as run_verify

    findings = run_verify(load())
    if as_json:
        typer.echo(json.dumps([finding._asdict() for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            typer.echo(str(finding))
        typer.echo("the ledger is whole" if not findings else f"{len(findings)} findings")
    raise typer.Exit(1 if findings else 0)


@positions.command("list")
def list_positions() -> None:
    """Each topic and partition: the log's start and end, the ledger's position, the topic ids of both."""
    from pipeline.ledger.adopting import survey

    typer.echo(str(survey(load())))


@positions.command()
def adopt(
    topic: str,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be read, change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: for scripts that looked before.")] = False,
) -> None:
    """Let a topic that was made anew, or lost its end, follow its predecessor: the worker folds it from its start.

    Says what would be read, and asks.
    """
    from pipeline.ledger.adopting import adopt_topic

    settings = load()
    would = adopt_topic(settings, topic, dry_run=True)
    if not would:
        typer.echo(f"{topic}: nothing to adopt, its positions belong to the topic that the log has")
        return
    typer.echo("\n".join(would))
    if dry_run or not (yes or typer.confirm("Adopt it?")):
        return
    typer.echo("\n".join(adopt_topic(settings, topic, dry_run=False)))
