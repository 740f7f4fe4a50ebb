"""POST /v1/invitations: the case's system asks for a link with which its citizen reviews one service."""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from producers.devices.device import PLACE, Device
from producers.gateway.asking import asked
from producers.gateway.case_owner import is_own_case
from producers.gateway.claiming import demand_own_number
from producers.gateway.errors import Forbidden
from producers.gateway.guard import BODY, Auth, Guarded, Rate
from producers.gateway.operation import JSON, Body, Operation
from producers.gateway.way_in import WayIn
from producers.qr.codes import link
from producers.qr.sms.outbox import Outbox
from producers.tokens import INVITED, CaseToken
from schemas.codes import Channel
from schemas.events import CaseNo, Code, Reason, ServiceNo
from schemas.phone import mobile, phone
from schemas.reading import Invalid

PATH = "/v1/invitations"
DAY = 86_400

_encode = msgspec.json.Encoder().encode


class Invitation(msgspec.Struct):
    """What is asked for. `expires_in`: seconds; `phone` goes with the channel sms alone, and is not kept once it is used."""

    case_no: CaseNo
    channel: Channel
    service_no: ServiceNo = 1
    dept_code: Annotated[str, msgspec.Meta(max_length=18)] = ""
    item_code: Annotated[str, msgspec.Meta(max_length=36)] = ""
    item_name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    hall_code: Code = ""
    window_code: Code = ""
    staff_id: Code = ""
    expires_in: Annotated[int, msgspec.Meta(ge=60, le=366 * DAY)] = 30 * DAY
    phone: Annotated[str, msgspec.Meta(max_length=32)] = ""


class Invited(msgspec.Struct):
    """The answer. `sms`: queued, sent_before (one service, one message), or not_sent: the asking system sends the link itself.

    `verified`: the ledger has the service as the asking system's, or as of its department. While it is not, a review through
    the link counts only as long as there is none by another way.
    """

    token: str
    url: str
    expires_at: datetime
    sms: Literal["queued", "sent_before", "not_sent"]
    verified: bool


INVITING = Operation(
    "Make a link with which the citizen of a case reviews one service",
    takes={
        JSON: Body(
            Invitation,
            {"case_no": "610326-2026-000123", "channel": "mini_program", "item_name": "社会保障卡申领"},
        )
    },
    gives={
        201: Body(
            Invited,
            {
                "token": "1k1.lsHMw8PD",
                "url": "https://hcp.example/r/1k1.lsHMw8PD",
                "expires_at": "2026-12-23T07:20:00Z",
                "sms": "not_sent",
                "verified": True,
            },
        )
    },
)


class Invitations:
    """The endpoint. `outbox` is None where no webhook is set."""

    def __init__(self, way_in: WayIn, outbox: Outbox | None) -> None:
        self._way_in, self._outbox = way_in, outbox

    async def invite(self, request: Request) -> Response:
        """Make a token for one service of a case. Raises Invalid, Forbidden."""
        invitation, device = _read(await request.body()), request.state.device
        claims = self._claims(device, invitation)
        verified = await is_own_case(
            self._way_in.ledger, device, claims.dept_code, claims.case_no, claims.service_no
        )
        expires = self._way_in.clock() + timedelta(seconds=invitation.expires_in)
        token = self._way_in.tokens.make(claims, expires)
        url = link(self._way_in.settings.gateway.url, token)
        said = await asyncio.to_thread(self._send, invitation, claims.token_id, url, expires)
        return Response(
            _encode(Invited(token, url, expires, said, verified)), 201, media_type="application/json"
        )

    def _claims(self, device: Device, invitation: Invitation) -> CaseToken:
        place = _place(device, invitation)
        demand_own_number(device, invitation.case_no)
        return CaseToken(
            token_id=self._way_in.tokens.case_id(invitation.case_no, invitation.service_no, device.source),
            case_no=invitation.case_no,
            service_no=invitation.service_no,
            channel=invitation.channel,
            name=invitation.item_name,
            item_code=invitation.item_code,
            staff_id=invitation.staff_id,
            issuer=device.source,
            **place,
        )

    def _send(
        self, invitation: Invitation, token_id: str, url: str, expires: datetime
    ) -> Literal["queued", "sent_before", "not_sent"]:
        """Have the link sent, if it was asked for and can be: a landline reads no message. Blocks on the disk."""
        number = mobile(invitation.phone)
        if invitation.channel is not Channel.SMS or not number or self._outbox is None:
            return "not_sent"
        return "queued" if self._outbox.add(token_id, number, url, expires) else "sent_before"


def _read(body: bytes) -> Invitation:
    invitation = asked(body, Invitation)
    if invitation.channel not in INVITED:
        raise Invalid(Reason.UNKNOWN_VALUE, "channel is none for which citizens are invited")
    if invitation.phone and not phone(invitation.phone):
        raise Invalid(Reason.OUT_OF_RANGE, "phone is no phone number")
    return invitation


def _place(device: Device, invitation: Invitation) -> dict[str, str]:
    """The codes of the place; a system speaks for its own alone. Raises Forbidden."""
    if device.kind != "system":
        raise Forbidden("foreign_kind", "type", "a terminal invites nobody")
    for field in PLACE:
        own, said = getattr(device, field), getattr(invitation, field)
        if own and said and said != own:
            raise Forbidden("foreign_place", field, f"{field} is not the device's own")
    return {field: getattr(device, field) or getattr(invitation, field) for field in PLACE}


def routes(way_in: WayIn, outbox: Outbox | None) -> list[BaseRoute]:
    """Its route."""
    invitations = Invitations(way_in, outbox)
    return [
        Guarded(
            way_in,
            PATH,
            invitations.invite,
            auth=Auth.SIGNED,
            rate=Rate.DEVICE,
            body=BODY,
            methods=["POST"],
            says=INVITING,
        )
    ]
