"""`hcp import paper template | keyed`: paper forms."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Paper forms (纸质评价表), keyed by two people.", no_args_is_help=True)


@app.command()
def template(
    hall: Annotated[str, typer.Option(help="The hall's code.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The workbook to write, .xlsx.")],
    forms: Annotated[int, typer.Option("--forms", "-n", help="How many, for each window.", min=1)] = 50,
    dept: Annotated[str, typer.Option(help="The department's name, filled in.")] = "",
    window: Annotated[
        list[str] | None, typer.Option(help="A window's code, filled in; several times: forms for each.")
    ] = None,
) -> None:
    """Write the workbook for a new batch of numbered forms. Copy it: each of two people keys into a file of their own."""
    from datetime import UTC, datetime

    from pipeline.rules.policy import COUNTY_ZONE
    from producers.imports.paper.template import Issue, new_batch, write_template

    batch = new_batch(datetime.now(UTC).astimezone(COUNTY_ZONE).date())
    issue = Issue(hall, dept, window or [], forms, batch)
    write_template(issue, out)
    typer.echo(f"batch {batch}: {len(issue.numbered())} forms, {out}")


@app.command()
def keyed(
    first: Annotated[Path, typer.Argument(help="What one person keyed.", exists=True, dir_okay=False)],
    second: Annotated[Path, typer.Argument(help="What another person keyed.", exists=True, dir_okay=False)],
    forms: Annotated[
        int | None, typer.Option(help="How many forms came back, if the sheets do not say it.", min=0)
    ] = None,
    placeholder: Annotated[
        list[str] | None,
        typer.Option(help="A case number on forms that stands for none, such as 无; may be repeated."),
    ] = None,
    agreeing_only: Annotated[
        bool, typer.Option("--agreeing-only", help="Publish what agrees, list the rest.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compare and judge everything, send nothing.")
    ] = False,
) -> None:
    """Publish a batch that two people keyed alike; exit 1 with a list of the differences if they did not."""
    from pipeline.settings import load
    from producers.imports.paper.importing import import_paper

    outcome = import_paper(
        *(load(), first, second),
        forms=forms,
        placeholders=placeholder or (),
        agreeing_only=agreeing_only,
        dry_run=dry_run,
    )
    typer.echo("\n".join(outcome.lines()))
    if outcome.troubled:
        raise typer.Exit(1)
