"""Whether a system may ask citizens to review a service: not if the ledger knows it as another's."""

from functools import partial

from pipeline.ledger.case_versions import owner_of
from producers.devices.device import Device
from producers.gateway.errors import Forbidden
from producers.gateway.ledger import Ledger, LedgerAway


async def is_own_case(ledger: Ledger, device: Device, dept_code: str, case_no: str, service_no: int) -> bool:
    """Whether the ledger has this service as the device's, or as of the department for which it asks ("": for none).

    False if nothing can be said: its case has not come, or the ledger does not answer within 1.5 s. Raises Forbidden if it is
    another's; a device of every department that names none is not refused, but the service is not its own.
    """
    try:
        owner = await ledger.ask(partial(owner_of, case_no=case_no, service_no=service_no))
    except LedgerAway:
        return False
    if owner is None:
        return False
    if device.source == owner.sender or dept_code == owner.dept_code:
        return True
    if dept_code:
        raise Forbidden(
            "foreign_case",
            "case_no",
            "the case is another department's: ask its system for the link, or correct case_no",
        )
    return False
