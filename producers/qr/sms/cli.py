"""`hcp sms status | retry`: the invitations by text message that the gateway has not got rid of."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from producers.qr.sms.store import Store

app = typer.Typer(
    help="Invitations by text message that are not sent. Also while the gateway runs.", no_args_is_help=True
)

Folder = Annotated[
    Path | None,
    typer.Option(help="Where they are kept; else the gateway's spool.", exists=True, file_okay=False),
]


@app.command()
def status(folder: Folder = None) -> None:
    """How many wait, and how many are refused for which reason, as JSON."""
    with _store(folder) as store:
        typer.echo(json.dumps({"waiting": store.waiting(), "refused": store.refused()}, indent=2))


@app.command()
def retry(folder: Folder = None) -> None:
    """Have the gateway try again what was refused: after its reason has been mended."""
    with _store(folder) as store:
        typer.echo(f"{store.retry()} messages wait again")


@contextmanager
def _store(folder: Path | None) -> Iterator["Store"]:
    from pipeline.settings import load
    from producers.errors import InputError
    from producers.qr.sms.store import FILE, Store

    where = folder or load().gateway.spool_dir
    if not (where / FILE).exists():
        raise InputError(f"no text message was ever kept in {where}: see HCP_GATEWAY__SMS_WEBHOOK")
    store = Store(where)
    try:
        yield store
    finally:
        store.close()
