"""`python -m tests.producers.gateway`: the gateway against its description and against mutants, for longer than every day."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from tests.producers.gateway.exploring import explore
from tests.producers.gateway.house import UNLIMITED, house
from tests.producers.gateway.mutating import bombard
from tests.producers.gateway.test_anything import dead


def main(
    cases: Annotated[int, typer.Option(help="of schemathesis, over all operations; 0: none")] = 20_000,
    mutants: Annotated[int, typer.Option(help="events that something has happened to; 0: none")] = 100_000,
    seed: Annotated[int, typer.Option(help="of the mutants")] = 5,
) -> None:
    """Print how everything was answered; a traceback at the first answer that should not be."""
    with (
        tempfile.TemporaryDirectory(prefix="hcp-gateway-") as folder,
        house(Path(folder), **UNLIMITED) as gateway,
    ):
        began = time.monotonic()
        statuses = asyncio.run(bombard(gateway, mutants, seed))
        rows = gateway.rows()
        refused = dead(gateway, rows)
        assert not refused, refused[:5]
        typer.echo(f"{mutants:,} mutants in {time.monotonic() - began:.0f} s: {dict(statuses)}")
        typer.echo(f"{len(rows):,} events lie in the spool; the worker's reader takes all of them")
        began = time.monotonic()
        for operation, answers in explore(gateway, cases).items() if cases else ():
            typer.echo(f"{operation}: {answers}")
        typer.echo(f"{cases:,} cases in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    typer.run(main)
