"""`hcp simulate`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from pipeline.rules.policy import COUNTY_ZONE

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from producers.simulator.expect import Expect

MAX = "max"


def simulate(
    days: Annotated[float, typer.Option(help="How many days of the county.", min=0.01)] = 2,
    rate: Annotated[int, typer.Option(help="Services begun on a working day.", min=1)] = 700,
    speed: Annotated[str, typer.Option(help="1: as life, 60: an hour a minute, max: at once.")] = "1",
    seed: Annotated[int, typer.Option(help="Of the county.", min=0)] = 1,
    halls: Annotated[int, typer.Option(help="The county's hall and those of towns.", min=1, max=9)] = 3,
    bad: Annotated[float, typer.Option(help="Share of bad reviews.", min=0, max=1)] = 0.02,
    gateway: Annotated[str, typer.Option(help="Its URL; else that of the settings.")] = "",
    connections: Annotated[int, typer.Option(help="To the gateway.", min=2, max=1000)] = 16,
    pace: Annotated[float, typer.Option(help="Events a second at most; 0: any number.", min=0)] = 0,
    minutes: Annotated[float, typer.Option(help="End after so long; 0: with the days.", min=0)] = 0,
    until: Annotated[
        datetime | None, typer.Option(help="When the simulated time ends, in the county's time.")
    ] = None,
    expect: Annotated[
        Path | None, typer.Option(help="Write here what the ledger must hold.", dir_okay=False)
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(help="Send nothing: compare the ledger with such a file.", exists=True, dir_okay=False),
    ] = None,
    patience: Annotated[
        float, typer.Option(help="Seconds that --check waits for what is still on its way.")
    ] = 60,
) -> None:
    """A county in miniature sends through the gateway: cases, reviews of every channel, and all that goes wrong."""
    from pipeline.settings import load
    from producers.simulation.miniature import Miniature
    from producers.simulator.report import summary
    from producers.simulator.run import Order, run

    settings, times = load(), _speed(speed)
    if check:
        _check(settings, check, patience)
        return
    county = Miniature(seed, _began(until, days, times), days, rate, halls, bad)
    order = Order(county, gateway or settings.gateway.url, times, pace, connections, minutes * 60)
    tally = run(settings, order, lambda said: typer.echo(said, err=True))
    if expect:
        expect.write_bytes(msgspec.json.encode(tally.expect(county.case_prefix)))
    typer.echo(summary(county, tally, fast=times != 1))


def _began(until: datetime | None, days: float, speed: float | None) -> datetime:
    from producers.simulator.timeline import beginning

    now = datetime.now(UTC)
    if until is None:
        return beginning(now, days, speed)
    end = until.replace(tzinfo=COUNTY_ZONE)
    if end > now:
        raise typer.BadParameter(f"--until {until:%Y-%m-%d %H:%M}: nothing may be sent from the future")
    return beginning(end, days, None)


def _check(settings: "Settings", file: Path, seconds: float) -> None:
    """Exit 1 with what is wrong."""
    from producers.simulator.check import check
    from producers.simulator.expect import Expect

    try:
        expect = msgspec.json.decode(file.read_bytes(), type=Expect)
    except msgspec.MsgspecError as error:
        raise typer.BadParameter(f"{file} is no file of --expect: {error}") from None
    wrong = check(settings, expect, seconds)
    for said in wrong:
        typer.echo(said)
    if wrong:
        raise typer.Exit(1)
    typer.echo(f"all of county {expect.case_prefix} is there, once: {_many(expect)} events")


def _many(expect: "Expect") -> str:
    return f"{len(expect.cases) + len(expect.reviews) + len(expect.standalone):,}"


def _speed(said: str) -> float | None:
    try:
        speed = None if said == MAX else float(said)
    except ValueError:
        speed = 0.0
    if speed is not None and speed < 1:
        raise typer.BadParameter(f"--speed {said}: 1 or a number above it, or max")
    return speed
