"""POST /terminal/enrol: a terminal gives the ticket of its enrolment link, and gets its key, once."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from producers.devices.managing import encode
from producers.devices.registry import Registry
from producers.devices.tickets import PATH, Enrolled, Ticket
from producers.gateway.answers import answer
from producers.gateway.errors import NotSupported, Unauthorized
from producers.gateway.guard import Auth, Guarded, Rate
from producers.gateway.way_in import WayIn
from producers.spool.errors import NonceUsed


class Enrolling:
    """The endpoint."""

    def __init__(self, way_in: WayIn) -> None:
        self._way_in = way_in

    async def exchange(self, request: Request) -> Response:
        """Give the key that the ticket is for. Raises NotSupported, Unauthorized, SpoolError."""
        ticket: Ticket = request.state.ticket
        secret = secret_of(self._way_in.devices, ticket)
        try:
            await self._way_in.use_up(f"{PATH}/{ticket.ticket_id}")
        except NonceUsed:
            raise NotSupported(
                410, "ticket_used", "This link was used before", "make another: hcp device rotate"
            ) from None
        return answer(Enrolled(ticket.device_id, ticket.key_id, encode(secret)))


def secret_of(devices: Registry, ticket: Ticket) -> bytes:
    """Of the key that a ticket is for. Raises NotSupported (503) if it is too new, Unauthorized if its device was revoked."""
    sender = devices.find(ticket.device_id)
    secret = sender.secrets.get(ticket.key_id) if sender else None
    if sender is None or secret is None:
        headers = {"Retry-After": "1"}
        raise NotSupported(503, "device_unknown", "The device is not known yet", "ask again", headers)
    if sender.device.revoked_at is not None:
        raise Unauthorized("device_revoked", "The device has been revoked", scheme="Bearer")
    return secret


def routes(way_in: WayIn) -> list[BaseRoute]:
    """Its route."""
    exchange = Enrolling(way_in).exchange
    return [Guarded(way_in, PATH, exchange, auth=Auth.TICKET, rate=Rate.ADDRESS, body=1024, methods=["POST"])]
