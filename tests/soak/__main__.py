"""`python -m tests.soak`: Kafka gone under load, the gateway killed twice meanwhile; then the ledger against every 202."""

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tests.soak.ground import Ground
from tests.soak.run import soak
from tests.soak.twins import TWINS


def main(
    minutes: Annotated[float, typer.Option(help="how long Kafka is gone", min=0.1)] = 10,
    pace: Annotated[float, typer.Option(help="events a second", min=1)] = 100,
    twin: Annotated[str, typer.Option(help=f"a broken gateway, must end with 1: {', '.join(TWINS)}")] = "",
) -> None:
    """Strike, bring back, judge. Exit code 1 if anything is lost, twice or wrong."""
    if twin and twin not in TWINS:
        raise typer.BadParameter(f"{twin}: there is {', '.join(TWINS)}")
    for name in [name for name in os.environ if name.startswith("HCP_")]:
        del os.environ[name]  # no setting of the outside reaches a run
    with (
        tempfile.TemporaryDirectory(prefix="hcp-soak-", ignore_cleanup_errors=True) as folder,
        Ground(Path(folder), TWINS.get(twin, "")) as ground,
    ):
        soaked = soak(ground, minutes, pace, typer.echo)
    typer.echo(
        f"{soaked.taken:,} events taken, Kafka gone for {soaked.kafka_gone:,.0f} s, {soaked.lost_answers} requests "
        f"without an answer; all in the ledger {soaked.drained:,.0f} s after the load, {soaked.duplicates} came twice"
    )
    for said in soaked.wrong:
        typer.echo(f"WRONG: {said}")
    raise typer.Exit(1 if soaked.wrong else 0)


if __name__ == "__main__":
    typer.run(main)
