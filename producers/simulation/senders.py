"""Who sends in a county in miniature: the platform, the departments' own systems, and what stands in the halls."""

from collections.abc import Iterator

from producers.devices.device import Device
from producers.simulation.halls import halls
from producers.simulation.miniature import Miniature
from schemas.catalogue import departments
from schemas.codes import Channel

PLATFORM, PORTAL, PAPER = "platform", "portal", "paper"
OWN_SYSTEM = 5
"""Every fifth department has a system of its own, which sends its cases in the night after."""
LATE = 10
"""Every tenth is hours or days late with that."""


def senders(county: Miniature) -> Iterator[Device]:
    """Every sender as the gateway's register knows it, but for its keys; `device_id` is its name in the plan."""
    yield Device(PLATFORM, "system", "simulated platform", (Channel.DEFAULT,))
    yield Device(PORTAL, "system", "simulated portal", (Channel.PC,))
    yield Device(PAPER, "system", "simulated keying of paper forms", (Channel.PAPER,))
    for place, department in enumerate(departments()):
        if place % OWN_SYSTEM == 0:
            yield Device(own_system(place), "system", department.name, dept_code=department.code)
    for hall in halls(county.halls):
        yield _in(hall.code, tablet(hall.code), Channel.HALL_TABLET)
        yield _in(hall.code, kiosk(hall.code), Channel.KIOSK)
        for window in hall.window_codes:
            yield _in(hall.code, window, Channel.TERMINAL, window)


def own_system(place: int) -> str:
    """The system of the department at this place of the catalogue."""
    return f"dept-{place:02d}"


def tablet(hall_code: str) -> str:
    """The tablet in a hall."""
    return f"{hall_code}-T"


def kiosk(hall_code: str) -> str:
    """The kiosk in a hall."""
    return f"{hall_code}-K"


def _in(hall_code: str, name: str, channel: Channel, window: str = "") -> Device:
    return Device(name, "terminal", "simulated", (channel,), hall_code=hall_code, window_code=window)
