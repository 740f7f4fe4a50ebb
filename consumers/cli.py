"""`hcp status | desk | exporter`: who reads the ledger."""

import json
from typing import Annotated

import typer

from pipeline.settings import load

app = typer.Typer(no_args_is_help=True)


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Topics and lag, fates, outcomes, tickets, rates, gaps, repairs, errors; exit 1 if there are errors."""
    from rich.console import Console

    from consumers.report import report
    from consumers.status import collect

    settings = load()
    picture = collect(settings)
    if as_json:
        typer.echo(json.dumps(picture, ensure_ascii=False, indent=2))
    else:
        Console().print(report(picture, settings.rules.zone))
    raise typer.Exit(1 if picture["errors"] else 0)


@app.command()
def desk() -> None:
    """Serve the officers' pages (loopback only) until told to stop."""
    from consumers.desk.app import create
    from consumers.serving import serve

    settings = load()
    serve(create(settings), settings.web, settings.web.desk_port)


@app.command()
def exporter() -> None:
    """Serve /metrics for Prometheus (loopback only) until told to stop."""
    from consumers.exporter import create
    from consumers.serving import serve

    settings = load()
    serve(create(settings), settings.web, settings.web.exporter_port)
