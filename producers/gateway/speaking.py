"""For what a device may speak: its channels and its place. What it leaves out of its own place is filled in."""

from producers.devices.device import PLACE, Device
from producers.devices.registry import Registry
from producers.gateway.errors import Forbidden
from schemas.events import CaseEvent, ReviewEvent


def speak(devices: Registry, device: Device, event: ReviewEvent | CaseEvent) -> None:
    """Fill in what the event leaves out of the device's place. Raises Forbidden if it speaks for another's."""
    if isinstance(event, ReviewEvent):
        if event.channel not in device.channels:
            raise Forbidden("foreign_channel", "channel", "the device is not registered for this channel")
        _name_device(devices, device, event)
    elif device.kind != "system":
        raise Forbidden("foreign_kind", "type", "a terminal sends reviews, and no cases")
    else:
        event.source = event.source or device.device_id
    for field in PLACE:
        own, said = getattr(device, field), getattr(event, field)
        if own and said and said != own:
            raise Forbidden("foreign_place", field, f"{field} is not the device's own")
        if own:
            setattr(event, field, own)


def _name_device(devices: Registry, device: Device, event: ReviewEvent) -> None:
    """A terminal speaks as itself; a system also for devices that only it knows."""
    said = event.device_id
    if device.kind == "terminal":
        event.device_id = device.device_id
    if said not in {"", device.device_id} and (device.kind == "terminal" or devices.find(said)):
        raise Forbidden("foreign_device", "device_id", "device_id names another device")
