"""`hcp gateway`, `hcp device`, `hcp spool`, `hcp terminal`, `hcp token`, `hcp sms`, `hcp import`, `hcp play`, `hcp dlq`,
`hcp seal-forward`, `hcp case decide`: the producers' commands.
"""

import getpass
import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli import cases
from producers.devices.cli import app as devices
from producers.dlq.cli import app as dlq
from producers.imports.cli import app as importing
from producers.qr.cli import app as tokens
from producers.qr.sms.cli import app as sms
from producers.simulator.cli import simulate
from producers.spool.cli import app as spool
from producers.terminal.cli import app as terminal

app = typer.Typer(no_args_is_help=True)
app.add_typer(importing, name="import")
app.add_typer(dlq, name="dlq")
app.add_typer(devices, name="device")
app.add_typer(spool, name="spool")
app.add_typer(terminal, name="terminal")
app.add_typer(tokens, name="token")
app.add_typer(sms, name="sms")
app.command()(simulate)


@app.command()
def gateway() -> None:
    """Serve the ways in over HTTP: systems, terminals, citizens, until told to stop."""
    from pipeline.settings import load
    from producers.gateway.serving import serve

    serve(load())


@cases.command()
def decide(
    case_no: Annotated[str, typer.Argument(metavar="CASE", help="Its number, as the ledger has it.")],
    service_no: Annotated[int, typer.Argument(metavar="SERVICE", help="The n-th service of the case.")] = 1,
    *,
    department: Annotated[str, typer.Option(help="Whose the service is: code or full name.")],
    why: Annotated[str, typer.Option(help="For the record.")],
    by: Annotated[str, typer.Option(help="Who; the user of this shell if not given.")] = "",
) -> None:
    """Decide whose a service is that several departments claim: its tickets go there. The last decision holds."""
    from pipeline.settings import load
    from producers import deciding

    event, said = deciding.decide(load(), case_no, service_no, department, why, by or getpass.getuser())
    place = f"case {event.case_no}, service {event.service_no}"
    typer.echo(f"{place} is {event.dept_code}'s, by {event.decided_by}; `hcp case show` says so in a moment")
    if event.dept_code not in said:
        others = f"; records came from {', '.join(said)}" if said else ""
        typer.echo(f"it holds from the first case record of {event.dept_code} on: none has come yet{others}")


@app.command("seal-forward")
def seal_forward(
    topic: Annotated[str, typer.Option("--from", help="The senders' topic, of short retention.")],
    once: Annotated[bool, typer.Option("--once", help="Up to its end, then stop.")] = False,
) -> None:
    """Publish the reviews of a foreign topic on hcp.review.v1, their identities sealed, until told to stop."""
    import signal
    from functools import partial
    from threading import Event

    from pipeline.settings import load
    from producers import seal_forward as forwarder

    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    done = forwarder.seal_forward(load(), topic, partial(typer.echo, err=True), stopping, once=once)
    typer.echo(f"{done.published:,} reviews forwarded, {done.refused:,} records refused")


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
