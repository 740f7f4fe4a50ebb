"""`hcp import cases | sources`, `hcp play`, `hcp dlq`: the producers' commands."""

import json
from pathlib import Path
from typing import Annotated

import typer

from producers.dlq.cli import app as dlq

app = typer.Typer(no_args_is_help=True)
importing = typer.Typer(help="Files of cases into the log.", no_args_is_help=True)
app.add_typer(importing, name="import")
app.add_typer(dlq, name="dlq")


@importing.command("cases")
def import_cases(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX.", exists=True, dir_okay=False)],
    source: Annotated[str, typer.Option(help="A name of `hcp import sources`, or a YAML file of your own.")],
    shift: Annotated[
        str | None, typer.Option(help="Move all times: auto (the last service is now), none, or <n>d.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and judge every row, send none.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Send a finished file again.")] = False,
) -> None:
    """Publish the cases of a file; exit 1 if some rows are none. The same command goes on where it was interrupted."""
    from pipeline.settings import load
    from producers.cases import import_cases as run
    from producers.errors import AlreadyImportedError
    from producers.progress import bar
    from producers.shift import parse, said

    try:
        with bar(file.name) as progress:
            report = run(
                load(), source, file, shift=parse(shift), dry_run=dry_run, again=again, progress=progress
            )
    except AlreadyImportedError as error:
        typer.echo(str(error))
        return
    done = "nothing published (--dry-run)" if dry_run else f"{report.published:,} published"
    typer.echo(f"{file.name}: {report.rows:,} rows, {done}, {report.unmapped:,} not mapped")
    typer.echo(f"times: {said(report.shift)}")
    if report.errors:
        typer.echo(
            f"hcp: {report.unmapped:,} rows are no cases; what is wrong with each: {report.errors}", err=True
        )
        raise typer.Exit(1)


@importing.command()
def sources() -> None:
    """The known mappings."""
    from producers.mapping import known

    for name, mapping in known().items():
        typer.echo(f"{name}: {mapping.about}")


@app.command()
def play(
    cases: Annotated[
        Path | None, typer.Option(help="Real cases instead of a simulated week.", exists=True, dir_okay=False)
    ] = None,
    source: Annotated[str, typer.Option(help="The mapping that reads --cases.")] = "",
    speed: Annotated[str, typer.Option(help="Records a second, or max.")] = "40",
    seed: Annotated[int, typer.Option(help="Of the simulation.")] = 1,
) -> None:
    """Play input for demonstrations: a simulated week that ends now, or real cases with simulated citizens."""
    from pipeline.settings import load
    from producers.pace import Pace
    from producers.play import Input, play_cases, play_week

    if (cases is None) != (not source):
        raise typer.BadParameter("--cases and --source go together: a file, and the mapping that reads it")
    pace = Pace(_rate(speed))
    if cases is None:
        play_week(load(), seed, pace, _say)
    else:
        play_cases(load(), Input(cases, source), seed, pace, _say)


def _rate(speed: str) -> float | None:
    try:
        rate = None if speed == "max" else float(speed)
    except ValueError:
        rate = 0
    if rate is not None and rate <= 0:
        raise typer.BadParameter(f"--speed {speed}: a number of records a second, or max")
    return rate


def _say(done: int, total: int, note: str) -> None:
    """A line of JSON: what `hcp up` shows as a progress bar."""
    typer.echo(
        json.dumps({"event": "progress", "done": done, "total": total, "note": note}, ensure_ascii=False)
    )
