"""`hcp spool status | refused | retry | resend`: what a gateway (or a terminal) has accepted and not yet handed on."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.times import shown

if TYPE_CHECKING:
    from producers.spool.spool import Spool

app = typer.Typer(
    help="What the gateway has accepted and the log has not taken yet. Stop the gateway before `retry` and `resend`.",
    no_args_is_help=True,
)

Folder = Annotated[
    Path | None, typer.Option(help="The spool's folder; else the gateway's.", exists=True, file_okay=False)
]


@app.command()
def status(folder: Folder = None) -> None:
    """How many rows wait, since when, and what lies aside, as JSON. Also while the gateway runs."""
    from producers.spool.damage import damaged
    from producers.spool.reading import Reading
    from producers.spool.record import from_ms

    where = _folder(folder)
    reading = Reading(where)
    oldest = reading.oldest()
    counts = reading.counts()._asdict()
    reading.close()
    since = {"oldest": None if oldest is None else from_ms(oldest).isoformat()}
    typer.echo(json.dumps(counts | since | {"damaged_files": damaged(where)}, indent=2))


@app.command()
def refused(folder: Folder = None) -> None:
    """Each row that the log does not take: its event, when it was received, and why. Also while the gateway runs."""
    from pipeline.settings import load
    from producers.spool.reading import Reading

    reading, zone = Reading(_folder(folder)), load().rules.zone
    for row in reading.refused():
        typer.echo(f"{row.event_id}  {shown(row.received_at, zone)}  {row.reason}")
    reading.close()


@app.command()
def retry(folder: Folder = None) -> None:
    """Put what was refused in line again: after its reason has been mended."""
    with _spool(folder) as spool:
        typer.echo(f"{spool.retry_refused()} rows wait again")


@app.command()
def resend(
    hours: Annotated[float, typer.Option(min=0, max=8760, help="Everything that was sent in so many hours.")],
    folder: Folder = None,
) -> None:
    """Put what was sent lately in line again: after the log has lost its end. What is there already is ignored."""
    with _spool(folder) as spool:
        spool.resend(datetime.now(UTC) - timedelta(hours=hours))
        typer.echo(f"{spool.stats().pending} rows wait")


def _spool(folder: Path | None) -> "Spool":
    from pipeline.settings import load
    from producers.spool.spool import Spool

    gateway = load().gateway
    keep = timedelta(hours=gateway.keep_sent_hours)
    return Spool(_folder(folder), max_bytes=gateway.spool_bytes, keep_sent=keep)


def _folder(folder: Path | None) -> Path:
    from pipeline.settings import load
    from producers.errors import InputError

    where = folder or load().gateway.spool_dir
    if not (where / "spool.db").exists():
        raise InputError(
            f"there is no spool in {where}: has `hcp gateway` ever run here? see HCP_GATEWAY__SPOOL_DIR"
        )
    return where
