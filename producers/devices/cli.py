"""`hcp device add | list | placeholders | rate | rotate | revoke | version-1`."""

import json
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from pipeline.clock import utc_now
from pipeline.times import shown

if TYPE_CHECKING:
    from producers.devices.device import Device
    from producers.devices.managing import NewKey, Office

app = typer.Typer(
    help="Who may send to the gateway: terminals, and the departments' systems.", no_args_is_help=True
)

DAY = "%Y-%m-%d"
DeviceId = Annotated[str, typer.Argument(metavar="DEVICE", help="Its id: letters, digits, points, _ and -.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Kind(StrEnum):
    """What sends."""

    TERMINAL = "terminal"
    SYSTEM = "system"


@app.command()
def add(
    device_id: DeviceId,
    kind: Annotated[Kind, typer.Option(help="A terminal sends reviews; a department's system cases, too.")],
    name: Annotated[str, typer.Option(help="For people.")] = "",
    channel: Annotated[
        list[str] | None,
        typer.Option(help="For which it may send reviews; may be repeated. None: cases only."),
    ] = None,
    dept: Annotated[
        str, typer.Option(help="Its department (统一社会信用代码). A terminal without one: any.")
    ] = "",
    any_department: Annotated[
        bool, typer.Option("--any-department", help="A system that may send cases of every department.")
    ] = False,
    hall: Annotated[str, typer.Option(help="Its hall; empty: any.")] = "",
    window: Annotated[str, typer.Option(help="Its window; empty: any.")] = "",
    placeholder: Annotated[
        list[str] | None,
        typer.Option(help="A number that it sends for everybody, for no case; may be repeated."),
    ] = None,
    rate: Annotated[
        int | None, typer.Option(help="Events a minute that it may send. Not given: as any other.")
    ] = None,
    version_1_until: Annotated[
        datetime | None,
        typer.Option(
            formats=[DAY],
            metavar="DATE",
            help="It may sign with version 1 until this day begins. Not given: with version 2 only.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Register a device; print its secret, and for a window's terminal the link that enrols it. They are shown this once."""
    from producers.devices.device import Device

    _check_department(kind, dept, any_department=any_department)
    new = Device(
        *(device_id, kind.value, name, tuple(channel or ()), dept, hall, window),
        placeholders=tuple(placeholder or ()),
        per_minute=rate,
        version_1_until=_beginning(version_1_until),
    )
    _show(_office().add(new), new, as_json=as_json)


def _check_department(kind: Kind, dept: str, *, any_department: bool) -> None:
    """Whoever speaks for all departments can be first with the case of any of them, so nobody does it by omission."""
    if dept and any_department:
        raise typer.BadParameter("give --dept or --any-department, not both")
    if kind is Kind.SYSTEM and not dept and not any_department:
        raise typer.BadParameter(
            "a system sends cases: name its --dept, or say --any-department if it serves every department"
        )


@app.command("list")
def list_devices(as_json: AsJson = False) -> None:
    """Every device: its channels, its place, its keys and until when they hold. No secrets."""
    from pipeline.settings import load

    devices = _office().devices()
    if as_json:
        typer.echo(json.dumps([_document(device) for device in devices], ensure_ascii=False, indent=2))
        return
    zone = load().rules.zone
    for device in devices:
        typer.echo("  ".join(_words(device, zone)))
    if not devices:
        typer.echo("no device yet: hcp device add")


@app.command()
def placeholders(
    device_id: DeviceId,
    numbers: Annotated[
        list[str] | None, typer.Argument(metavar="NUMBER", help="To add, as the device sends it.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Forget those before.")] = False,
) -> None:
    """Add numbers that a device sends for everybody; show all of them. The gateway knows them within 2 s.

    A review with such a number is kept without a case, and the number as a claim; a case with one is refused.
    """
    office = _office()
    if none or numbers:
        now = office.add_placeholders(device_id, numbers or (), instead=none)
    else:
        now = office.device(device_id).placeholders
    typer.echo("\n".join(now) or f"{device_id} has no placeholders: every number of its is a case's own")


@app.command()
def rate(
    device_id: DeviceId,
    per_minute: Annotated[
        int | None, typer.Argument(metavar="EVENTS", help="A minute. None: as any other.")
    ] = None,
) -> None:
    """Let a device send so many events a minute; the gateway knows it within 2 s. What is more gets 429, and may come later."""
    _office().set_rate(device_id, per_minute)
    typer.echo(f"{device_id} may send {_rate(per_minute)}")


@app.command("version-1")
def version_1(
    device_id: DeviceId,
    until: Annotated[
        datetime | None,
        typer.Argument(formats=[DAY], metavar="DATE", help="A day within the year to come."),
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Accept version 2 only, from now on.")] = False,
) -> None:
    """Accept version 1 of a device's signature until this day begins; show until when. The gateway knows it within 2 s."""
    from pipeline.settings import load

    office = _office()
    if until and none:
        raise typer.BadParameter("a date, or --none")
    if until or none:
        office.set_version_1_until(device_id, _beginning(until))
    typer.echo(f"{device_id}: {_signature(office.device(device_id), load().rules.zone)}")


@app.command()
def rotate(
    device_id: DeviceId,
    overlap: Annotated[str, typer.Option(help="How long the keys before still hold: 7d, 12h, 30m.")] = "7d",
    as_json: AsJson = False,
) -> None:
    """Give a device another key, and print it as `add` does."""
    from producers.devices.managing import span

    office = _office()
    key = office.rotate(device_id, span(overlap))
    _show(key, office.device(device_id), as_json=as_json)


@app.command()
def revoke(device_id: DeviceId) -> None:
    """Take nothing more from a device; the gateway knows it within 2 s. For good: a device added later has another id."""
    _office().revoke(device_id)
    typer.echo(f"{device_id} is revoked")


def _office() -> "Office":
    from pipeline.settings import load
    from producers.devices.managing import Office

    return Office(load())


def _show(key: "NewKey", device: "Device", *, as_json: bool) -> None:
    link = _link(key, device)
    if as_json:
        said = {"device_id": key.device_id, "key_id": key.key_id, "secret": key.secret, "link": link}
        typer.echo(json.dumps(said))
        return
    typer.echo(f"device: {key.device_id}\nkey:    {key.key_id}")
    if link:
        typer.echo(f"link:   {link}")
        typer.echo("the link works once, and for 15 minutes: hcp device rotate makes another", err=True)
    typer.echo(f"secret: {key.secret}")
    typer.echo("the secret is not shown again: put it into the device now", err=True)


def _link(key: "NewKey", device: "Device") -> str:
    """What a window's terminal is enrolled with; empty for whatever has no page."""
    from pipeline.settings import load
    from producers.terminal.enrolment import link

    if device.kind != "terminal" or not device.window_code:
        return ""
    return link(load().gateway.url, device.window_code, key)


def _words(device: "Device", zone: ZoneInfo) -> Iterator[str]:
    yield device.device_id
    yield device.kind
    yield ",".join(device.channels) or "cases only"
    yield "/".join(code or "*" for code in (device.dept_code, device.hall_code, device.window_code))
    yield " ".join(
        key.key_id + (f" until {shown(key.not_after, zone)}" if key.not_after else "") for key in device.keys
    )
    yield _signature(device, zone)
    if device.per_minute:
        yield _rate(device.per_minute)
    if device.placeholders:
        yield f"placeholders {' '.join(device.placeholders)}"
    if device.revoked_at:
        yield f"revoked {shown(device.revoked_at, zone)}"
    if device.name:
        yield device.name


def _rate(per_minute: int | None) -> str:
    return f"{per_minute} events a minute" if per_minute else "as many events as any other device"


def _beginning(day: datetime | None) -> datetime | None:
    """When this day begins in the county."""
    from pipeline.settings import load

    return day and day.replace(tzinfo=load().rules.zone)


def _signature(device: "Device", zone: ZoneInfo) -> str:
    """Which versions of its signature are accepted; of a device that may sign with both, whether it has changed over."""
    if not device.version_1_until or not device.takes_version_1(utc_now().timestamp()):
        return "signature version 2 only"
    seen = device.version_2_seen_at
    known = f"version 2 seen {shown(seen, zone)}" if seen else "version 2 not seen yet"
    return f"signature version 1 until {shown(device.version_1_until, zone)}, {known}"


def _document(device: "Device") -> dict[str, object]:
    return {
        "device_id": device.device_id,
        "kind": device.kind,
        "name": device.name,
        "channels": list(device.channels),
        "dept_code": device.dept_code,
        "hall_code": device.hall_code,
        "window_code": device.window_code,
        "placeholders": list(device.placeholders),
        "per_minute": device.per_minute,
        "version_1_until": device.version_1_until.isoformat() if device.version_1_until else None,
        "version_2_seen_at": device.version_2_seen_at.isoformat() if device.version_2_seen_at else None,
        "revoked_at": device.revoked_at.isoformat() if device.revoked_at else None,
        "keys": [
            {"key_id": key.key_id, "not_after": key.not_after.isoformat() if key.not_after else None}
            for key in device.keys
        ],
    }
