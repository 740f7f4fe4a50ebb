"""`python -m tests.producers.gateway`: the gateway against mutants and its description, for longer than every day; then the ledger."""

import asyncio
import os
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from tests.harness import System
from tests.producers.gateway.arriving import fold, open_to_all, wrong
from tests.producers.gateway.exploring import explore
from tests.producers.gateway.ground import ground
from tests.producers.gateway.mutating import bombard
from tests.producers.gateway.noted import Noted, together

FOLD_SECONDS = 600


def main(
    cases: Annotated[int, typer.Option(help="of schemathesis, over all operations; 0: none")] = 20_000,
    mutants: Annotated[int, typer.Option(help="events that something has happened to; 0: none")] = 100_000,
    seed: Annotated[int, typer.Option(help="of the mutants")] = 5,
) -> None:
    """Print how everything was answered; exit code 1 if what was taken is not in the ledger as it must be.

    A traceback at the first answer that should not be.
    """
    for name in [name for name in os.environ if name.startswith("HCP_")]:
        del os.environ[name]  # no setting of the outside reaches a run
    with (
        tempfile.TemporaryDirectory(prefix="hcp-gateway-", ignore_cleanup_errors=True) as folder,
        ground(Path(folder)) as system,
    ):
        said = judge(system, Path(folder) / "open", cases, mutants, seed)
    for words in said:
        typer.echo(f"WRONG: {words}")
    raise typer.Exit(1 if said else 0)


def judge(system: System, folder: Path, cases: int, mutants: int, seed: int) -> list[str]:
    """1. Mutants. 2. Cases. 3. Everything that was taken into the ledger. What is wrong there."""
    with closing(open_to_all(system.settings, folder)) as gateway:
        began = time.monotonic()
        bombed = asyncio.run(bombard(gateway, mutants, seed))
        typer.echo(f"{mutants:,} mutants in {time.monotonic() - began:.0f} s: {told(bombed)}")
        began = time.monotonic()
        seen = explore(gateway, cases) if cases else {}
        for operation, noted in seen.items():
            typer.echo(f"{operation}: {told(noted)}")
        typer.echo(f"{cases:,} cases in {time.monotonic() - began:.0f} s")
        fold(system, gateway, FOLD_SECONDS)
    typer.echo(f"in the ledger: {system.fates()}")
    return wrong(system, together([bombed, *seen.values()]))


def told(noted: Noted) -> str:
    """For people."""
    return f"{dict(noted.statuses)}; {noted.taken.total():,} events taken under {len(noted.taken):,} ids"


if __name__ == "__main__":
    typer.run(main)
