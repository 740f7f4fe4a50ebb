"""`hcp import cases | sources`: the commands of the imports."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Files of cases into the log.", no_args_is_help=True)


@app.command("cases")
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
    from producers.errors import AlreadyImportedError
    from producers.imports.cases import import_cases as run
    from producers.imports.shift import parse, said
    from producers.progress import bar

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


@app.command()
def sources() -> None:
    """The known mappings."""
    from producers.imports.mapping import known

    for name, mapping in known().items():
        typer.echo(f"{name}: {mapping.about}")
