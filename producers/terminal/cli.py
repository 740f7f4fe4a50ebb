"""`hcp terminal enrol | review | run | status`: a terminal at a window that is no browser."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from schemas.codes import Channel

app = typer.Typer(help="A terminal at a window that is no browser.", no_args_is_help=True)

DRAIN_SECONDS = 10.0
Folder = Annotated[Path, typer.Option(help="Where it keeps who it is, its chain and its reviews.")]
Drain = Annotated[float, typer.Option(min=0, help="So many seconds at most for what still waits at the end.")]
HOME = Path(".hcp/terminal")


@app.command()
def enrol(
    channel: Annotated[Channel, typer.Option(help="The one for which it is registered.")] = Channel.TERMINAL,
    folder: Folder = HOME,
) -> None:
    """Take the link that `hcp device add` printed: it works once, and for 15 minutes. It is asked for, or read from a pipe: a secret is no argument."""
    from producers.terminal.enrolment import exchange, read_link
    from producers.terminal.terminal import enrol as take
    from producers.terminal.terminal import may_be

    asked = typer.prompt("enrolment link", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    link = read_link(asked)
    may_be(folder, link.device_id)
    enrolment = exchange(link, channel)
    take(folder, enrolment)
    typer.echo(f"{enrolment.device_id} at window {enrolment.window_code}, gateway {enrolment.gateway}")


@app.command()
def review(
    satisfaction: Annotated[int, typer.Option(min=1, max=5, help="5 is the best.")],
    reason: Annotated[list[str] | None, typer.Option(help="A tag's code; may be repeated.")] = None,
    comment: Annotated[str, typer.Option(help="In the citizen's words.")] = "",
    case_no: Annotated[str, typer.Option(help="The case; none: the window is reviewed.")] = "",
    service_no: Annotated[int, typer.Option(help="The n-th service of the case.")] = 1,
    folder: Folder = HOME,
    drain: Drain = DRAIN_SECONDS,
) -> None:
    """Keep one review and send what waits. Exit 0: it is kept; what the net does not take now is sent next time."""
    from producers.errors import InputError
    from producers.terminal.terminal import answer, opened

    said = {"satisfaction": satisfaction, "reason_codes": reason or [], "comment": comment}
    if case_no:
        said |= {"case_no": case_no, "service_no": service_no}
    with opened(folder) as terminal:
        told = answer(terminal.keeper, json.dumps(said).encode())
        if "error" in told:
            raise InputError(f"not kept: {told['message']}")
        typer.echo(json.dumps(told))
        _say_what_waits(terminal.sent_within(drain), terminal.forwarder.last_error)


@app.command()
def run(folder: Folder = HOME, drain: Drain = DRAIN_SECONDS) -> None:
    """Read reviews from the standard input, one JSON object a line, answer each with a line, and send them.

    At the end of the input it waits a while for what is not sent yet. It may be killed at any moment.
    """
    from producers.terminal.terminal import answer, opened

    with opened(folder) as terminal:
        for line in sys.stdin.buffer:
            if line.strip():
                typer.echo(json.dumps(answer(terminal.keeper, line)))
        _say_what_waits(terminal.sent_within(drain), terminal.forwarder.last_error)


@app.command()
def status(folder: Folder = HOME) -> None:
    """Who it is, where its chain stands, what waits and since when, what the gateway refused, as JSON. Also while it runs."""
    import msgspec

    from producers.terminal.terminal import status as look

    typer.echo(msgspec.json.format(msgspec.json.encode(look(folder)), indent=2))


def _say_what_waits(waiting: int, why: str) -> None:
    if waiting:
        typer.echo(f"not sent yet: {waiting} ({why})", err=True)
