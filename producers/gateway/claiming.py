"""The numbers that a device sends for everybody: they name no case, neither of a record nor of an invitation."""

from typing import Any

from msgspec.structs import replace

from producers.devices.device import Device
from producers.placeholders import is_placeholder, standalone
from schemas.events import Reason, ReviewEvent
from schemas.reading import Invalid, Received


def without_placeholder(device: Device, received: Received[Any]) -> Received[Any]:
    """A review with a placeholder of its device: without a case, the number kept as a claim; any other event as it is.

    Raises Invalid for a case with one. The digest stays that of the event as it was sent: a retry after the device's
    placeholders were changed is the same event to the spool.
    """
    event = received.event
    if isinstance(event, ReviewEvent) and is_placeholder(event.case_no, device.placeholders):
        return replace(received, event=standalone(event, event.case_no or ""))
    demand_own_number(device, event.case_no)
    return received


def demand_own_number(device: Device, case_no: str | None) -> None:
    """Raises Invalid if this number is a placeholder of the device."""
    if is_placeholder(case_no, device.placeholders):
        raise Invalid(
            Reason.OUT_OF_RANGE,
            "case_no is one of the device's placeholders, which stand for no case: name the case's own number",
        )
