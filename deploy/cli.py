"""`hcp`: the root of the command line, and `hcp up | down`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from consumers.cli import app as consumers
from deploy.failures import sentence
from pipeline.cli import app as pipeline
from pipeline.runtime import logs
from pipeline.settings import Settings, load
from producers.cli import app as producers

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="好差评: reviews of government services, from the log to the ledger.",
)


@app.command()
def up(
    until_done: Annotated[
        bool, typer.Option("--until-done", help="Play at full speed, verify, stop; exit 0 if all is right.")
    ] = False,
    empty: Annotated[bool, typer.Option("--empty", help="No input.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="In the background; `hcp down` ends it.")] = False,
    cases: Annotated[
        Path | None, typer.Option(help="Play these real cases.", exists=True, dir_okay=False)
    ] = None,
    source: Annotated[str, typer.Option(help="The mapping that reads --cases, e.g. municipal-permit.")] = "",
    speed: Annotated[str, typer.Option(help="Records a second, or max.")] = "",
    seed: Annotated[int | None, typer.Option(help="Of the simulation.")] = None,
) -> None:
    """Start the whole stack, play a simulated week of the county, show what happens. Ctrl-C stops it."""
    from rich.console import Console

    from deploy import detach as background
    from deploy.up import Order, run

    settings = Settings()
    order = Order(until_done, empty, cases, source, speed, seed)
    if not detach:
        raise typer.Exit(run(settings, order, Console()))
    folder = settings.stack.data_dir
    pid = background.start(order.words(), folder, folder / "log" / "up.log")
    typer.echo(f"it runs in the background (pid {pid}); `hcp down` ends it")
    for name, address in background.addresses(load()).items():
        typer.echo(f"{name}: {address}")


@app.command()
def down(quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing.")] = False) -> None:
    """End the stack of this folder, and wait until it is gone."""
    from deploy import detach as background

    stopped = background.stop(Settings().stack.data_dir)
    if not quiet:
        typer.echo("stopped" if stopped else "nothing runs here")


for package in (pipeline, producers, consumers):
    app.add_typer(package)


def main() -> None:
    """Run a command. An expected error is one sentence on stderr and exit code 1."""
    logs.begin()
    try:
        app()
    except Exception as error:
        said = sentence(error)
        if said is None:
            raise
        sys.exit(f"hcp: {said}")
