"""`hcp token qr | sheet`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from producers.tokens import Kind

if TYPE_CHECKING:
    from pipeline.settings import Settings

app = typer.Typer(help="Links and QR codes with which citizens review.", no_args_is_help=True)

Name = Annotated[str, typer.Option(help="As citizens know it; the page shows it.")]
Days = Annotated[int, typer.Option(min=0, max=3650, help="Valid so long; 0: a year, a case 30 days.")]
Dept = Annotated[str, typer.Option(help="The department's code.")]


@app.command()
def qr(
    what: Annotated[str, typer.Argument(help=f"{', '.join(Kind)} or case.")],
    code: Annotated[str, typer.Argument(help="Its code; - reads it from standard input (a case's number).")],
    name: Name = "",
    dept: Dept = "",
    hall: Annotated[str, typer.Option(help="The hall's code.")] = "",
    item: Annotated[str, typer.Option(help="The item's code.")] = "",
    service_no: Annotated[int, typer.Option(min=1, max=99, help="Which service of the case.")] = 1,
    days: Days = 0,
    out: Annotated[Path | None, typer.Option(help="Draw the code: a file .svg or .png.")] = None,
) -> None:
    """Make a token and print its link; with --out, draw its QR code."""
    from pipeline.clock import utc_now
    from pipeline.settings import load
    from producers.qr import codes, making

    if what not in making.WHAT:
        raise typer.BadParameter(f"{what} is none of {', '.join(making.WHAT)}")
    settings, about = load(), making.About(name, dept, hall, item)
    tokens = making.tokens_of(settings.seal)
    code = sys.stdin.readline().strip() if code == "-" else code
    if what == making.CASE:
        _demand_own_number(settings, code)
    claims = (
        making.case(tokens, code, service_no, about)
        if what == making.CASE
        else making.place(Kind(what), code, about)
    )
    link = codes.link(settings.gateway.url, tokens.make(claims, making.expiry(claims, days, utc_now())))
    if out:
        codes.save(link, out)
    typer.echo(link)


def _demand_own_number(settings: "Settings", number: str) -> None:
    """Raises InputError for a number that some device sends for everybody: its token would admit one stranger's review."""
    from sqlalchemy.exc import OperationalError

    from producers.devices.managing import Office
    from producers.errors import InputError

    if not settings.database.url.get_secret_value():
        return
    try:
        device = Office(settings).has_as_placeholder(number)
    except OperationalError:
        typer.echo(
            "the database does not answer: whether the number is a placeholder was not checked", err=True
        )
        return
    if device:
        raise InputError(
            f"this number is a placeholder of the device {device.device_id} and stands for no case: name the case's own "
            "number, or make a code of the window (hcp token qr window)"
        )


@app.command()
def sheet(
    windows: Annotated[Path, typer.Argument(help="CSV or XLSX: window_code,name and perhaps dept_code.")],
    hall: Annotated[str, typer.Option(help="The hall's code.")],
    name: Name,
    out: Annotated[Path, typer.Option(help="The page to print, .html.")] = Path("sheet.html"),
    days: Days = 0,
) -> None:
    """An A4 page for the printer: a card with a QR code for each window of a hall, four a page."""
    from zoneinfo import ZoneInfo

    from pipeline.clock import utc_now
    from pipeline.settings import load
    from producers.qr import making
    from producers.qr import sheet as sheets

    settings, place = load(), sheets.Hall(hall, name)
    places = sheets.windows(windows)
    expires = making.expiry(places[0], days, utc_now())
    cards = sheets.cards(making.tokens_of(settings.seal), settings.gateway.url, place, places, expires)
    out.write_text(sheets.sheet(place, cards, expires, ZoneInfo(settings.rules.time_zone)), encoding="utf-8")
    typer.echo(f"{len(cards)} windows: open {out} in a browser and print it on A4, without margins")
