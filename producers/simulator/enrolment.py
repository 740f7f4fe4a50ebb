"""The devices of a simulated county in the register: added when it begins, revoked when it ends. Its ids are used once."""

from msgspec.structs import replace

from producers.devices.managing import Office, decode
from producers.simulation.miniature import Miniature
from producers.simulation.senders import senders
from producers.spool.http_sink import Sender

PREFIX = "sim-"
Enrolled = dict[str, Sender]
"""What signs, by its name in the plan."""


def enrol(office: Office, county: Miniature) -> Enrolled:
    """Register every sender of the county. Blocks. Raises DeviceError; those added until then are revoked."""
    enrolled: Enrolled = {}
    try:
        for device in senders(county):
            new = office.add(replace(device, device_id=f"{PREFIX}{county.name}-{device.device_id}"))
            enrolled[device.device_id] = Sender(new.device_id, new.key_id, decode(new.secret))
    except BaseException:
        withdraw(office, enrolled)
        raise
    return enrolled


def withdraw(office: Office, enrolled: Enrolled) -> None:
    """Nothing more is taken from them. Blocks."""
    for sender in enrolled.values():
        office.revoke(sender.device_id)
