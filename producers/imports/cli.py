"""`hcp import cases | reviews | paper | database | watch | sources`: the commands of the imports."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from producers.imports.kinds import RowKind
from producers.imports.paper.cli import app as paper

if TYPE_CHECKING:
    from producers.imports.database.poller import Polled
    from producers.imports.report import Report

app = typer.Typer(help="Files, sheets, databases and paper forms into the log.", no_args_is_help=True)
app.add_typer(paper, name="paper")

File = Annotated[Path, typer.Argument(help="CSV or XLSX.", exists=True, dir_okay=False)]
Source = Annotated[str, typer.Option(help="A name of `hcp import sources`, or a YAML file of your own.")]
Shift = Annotated[str | None, typer.Option(help="Move all times: auto (the last one is now), none, or <n>d.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and judge everything, send nothing.")]
Again = Annotated[bool, typer.Option("--again", help="Send a finished file again.")]


@app.command()
def cases(
    file: File, source: Source, shift: Shift = None, dry_run: DryRun = False, again: Again = False
) -> None:
    """Publish the cases (办件) of a file; exit 1 if some rows are none. The same command goes on where it was interrupted."""
    _file(RowKind.CASE, file, source, shift, dry_run=dry_run, again=again)


@app.command()
def reviews(
    file: File, source: Source, shift: Shift = None, dry_run: DryRun = False, again: Again = False
) -> None:
    """Publish the reviews (评价) of a file, as `hcp import cases` does with cases. Identities are sealed at once."""
    _file(RowKind.REVIEW, file, source, shift, dry_run=dry_run, again=again)


def _file(kind: RowKind, file: Path, source: str, shift: str | None, *, dry_run: bool, again: bool) -> None:
    from pipeline.settings import load
    from producers.errors import AlreadyImportedError
    from producers.imports.cases import import_cases
    from producers.imports.shift import parse
    from producers.progress import bar
    from producers.sheets.names import printable

    moved = parse(shift)
    try:
        with bar(printable(file.name)) as progress:
            report = import_cases(
                load(), source, file, shift=moved, dry_run=dry_run, again=again, progress=progress, kind=kind
            )
    except AlreadyImportedError as error:
        typer.echo(str(error))
        return
    typer.echo("\n".join(report.lines()))
    _end(report)


@app.command()
def sources() -> None:
    """The known mappings."""
    from producers.imports.known import known

    for name, mapping in known().items():
        typer.echo(f"{name} ({mapping.rows}s): {mapping.about}")


@app.command()
def watch(
    folder: Annotated[Path, typer.Argument(help="Where files are put.", exists=True, file_okay=False)],
    source: Source,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.1)] = 5.0,
    rest: Annotated[float, typer.Option(help="Seconds that a file must have stood still.", min=0)] = 10.0,
    once: Annotated[bool, typer.Option("--once", help="What is there now, then end.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Import every file that is put into a folder, until told to stop: to done/, or to refused/ with what is wrong with it."""
    from pipeline.log import client_options
    from pipeline.sealing import Sealer
    from pipeline.settings import load
    from producers.imports.alone import alone
    from producers.imports.known import load as mapping
    from producers.imports.polling import poll, until_told
    from producers.imports.watch import Watch, importer

    settings = load()
    if not dry_run:
        # a log or a key that no setting names is said now, not at the first file
        client_options(settings.kafka)
        Sealer(settings.seal)
    watching = Watch(folder, importer(settings, mapping(source), source), rest, dry_run=dry_run)

    def look() -> None:
        for taken in watching.look():
            typer.echo("\n".join(taken.lines()))

    with alone(folder), until_told() as stop:
        if not (once or dry_run):
            poll(look, every, stop, typer.echo)
            return
        look()
        stop.wait(rest)
        look()


@app.command()
def database(
    url: Annotated[
        str,
        typer.Option(envvar="HCP_SOURCE_URL", help="Of SQLAlchemy; better not typed, but in HCP_SOURCE_URL."),
    ],
    query_file: Annotated[Path, typer.Option(help="One SELECT.", exists=True, dir_okay=False)],
    cursor: Annotated[str, typer.Option(help="The column that grows with every change, e.g. updated_at.")],
    source: Source,
    every: Annotated[float, typer.Option(help="Seconds between two polls.", min=0.1)] = 60.0,
    overlap: Annotated[
        int,
        typer.Option(help="Read so far back each time, for late commits: seconds, or of a number.", min=0),
    ] = 300,
    once: Annotated[bool, typer.Option("--once", help="One poll, then end.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Publish what is new in somebody else's database, which is only read, until told to stop. Goes on where it was."""
    from pipeline.settings import load
    from producers.imports.database.poller import Poller, position_of
    from producers.imports.database.query import Query, query_in
    from producers.imports.known import load as mapping
    from producers.imports.polling import poll, until_told

    settings, rows, query = load(), mapping(source), Query(url, query_in(query_file), cursor)
    with position_of(settings, rows, query) as position, until_told() as stop:
        poller = Poller(settings, rows, query, position, overlap=overlap, dry_run=dry_run, stop=stop)
        if once or dry_run:
            polled = poller.poll()
            typer.echo("\n".join(polled.lines()))
            _end(polled.report)
        else:
            poll(lambda: _tell(poller.poll()), every, stop, typer.echo)


def _tell(polled: "Polled") -> None:
    if polled.report.rows:
        typer.echo("\n".join(polled.lines()))


def _end(report: "Report") -> None:
    """Exit 1 if some rows could not be taken."""
    from producers.sheets.names import escaped

    if report.errors:
        typer.echo(
            f"hcp: {report.counts.unmapped:,} rows could not be taken; what is wrong with each: {escaped(str(report.errors))}",
            err=True,
        )
        raise typer.Exit(1)
