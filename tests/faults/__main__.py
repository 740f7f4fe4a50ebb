"""`make faults`: faults in plenty, on real servers and processes; then the ledger against the load and the model."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tests.bench.report import machine
from tests.conftest import CACHE
from tests.faults import report
from tests.faults.arena import Arena
from tests.faults.kinds import KINDS
from tests.faults.run import plan, run
from tests.faults.twins import TWINS, Twin

RESULTS = Path(__file__).parents[2] / "bench-results"
TWIN_FAULTS = 10


@contextmanager
def arena(seed: int, twin: Twin | None = None) -> Iterator[Arena]:
    """Servers, workers, gateway and load in a temporary folder; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="hcp-faults-", ignore_cleanup_errors=True) as folder:
        made = Arena(Path(folder), seed, twin)
        try:
            made.open()
            yield made
        finally:
            made.close()


def main(
    seed: Annotated[int, typer.Option(help="of the load and of the faults' order; 0: from the time")] = 0,
    faults: Annotated[int, typer.Option(min=1, help="how many")] = 200,
    only: Annotated[
        list[str] | None, typer.Option(help=f"one of {', '.join(KINDS)}; may be repeated")
    ] = None,
    twin: Annotated[
        str, typer.Option(help=f"a broken worker or gateway, must end with 1: {', '.join(TWINS)}")
    ] = "",
    keep_log: Annotated[Path | None, typer.Option(help="where to put the workers' log")] = None,
) -> None:
    """Strike, follow, judge. Exit code 1 if anything is lost, twice or wrong."""
    if unknown := [name for name in only or [] if name not in KINDS] + [
        n for n in [twin] if n and n not in TWINS
    ]:
        raise typer.BadParameter(f"{', '.join(unknown)}: there is {', '.join([*KINDS, *TWINS])}")
    for name in [name for name in os.environ if name.startswith("HCP_")]:
        del os.environ[name]  # no setting of the outside reaches a run
    seed = seed or int(time.time()) % 10_000
    broken = TWINS.get(twin)
    wanted = only or (broken.shown_by if broken else ())
    typer.echo(f"seed {seed}" + (f", twin without {broken.without}" if broken else ""))
    with arena(seed, broken) as made:
        count = min(faults, TWIN_FAULTS) if broken else faults
        ledger = run(made, plan(seed, count, wanted), lambda one: typer.echo(report.line(one)))
        if keep_log:
            keep_log.write_text(made.system.log_text())
    typer.echo(report.table(ledger.struck))
    typer.echo(report.verdict(ledger))
    if not broken:
        typer.echo(f"written to {report.save(RESULTS, ledger, machine(CACHE))}")
    raise typer.Exit(1 if ledger.wrong else 0)


if __name__ == "__main__":
    typer.run(main)
