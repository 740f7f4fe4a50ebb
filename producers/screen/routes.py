"""The terminal's routes: the page and its files, the calls of the window's system, and the stream in which they come."""

from functools import partial
from http import HTTPStatus
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute

from producers.devices.device import Device
from producers.devices.registry import Registry
from producers.gateway.answers import answer
from producers.gateway.asking import asked
from producers.gateway.case_owner import is_own_case
from producers.gateway.claiming import demand_own_number
from producers.gateway.errors import Forbidden
from producers.gateway.guard import BODY, Auth, Guarded, Rate
from producers.gateway.ledger import Ledger
from producers.gateway.operation import JSON, Body, Operation
from producers.gateway.way_in import WayIn
from producers.pages.look import Look
from producers.screen.invitations import Delivered, Invitation, Invitations, speak
from producers.screen.shell import HERE, STATIC_PATH, TYPES, WORKER, Shell, reasons
from producers.screen.stream import heard

UNCACHED = {"Cache-Control": "no-cache"}
"""Asked for again each time: what is kept for offline use is the service worker's business alone."""
UNBUFFERED = UNCACHED | {"X-Accel-Buffering": "no"}
"""A proxy hands on each event as it comes."""
PAGE, CONTEXT = "screen.html", {"reasons": reasons()}

CALLING = Operation(
    "Call the citizen who was just served to the terminal of this window",
    takes={JSON: Body(Invitation, {"case_no": "610326-2026-000123", "item_name": "社会保障卡申领"})},
    gives={200: Body(Delivered, {"delivered": True})},
)
LISTENING = Operation(
    "For the window's terminal: who it is, and each call as it comes, as server-sent events",
    gives={
        200: Body(
            {"type": "string"}, 'event: terminal\ndata: {"name":"","channel":"terminal","hall_code":""}\n\n'
        )
    },
    media="text/event-stream",
)


class Screen:
    """The endpoints."""

    def __init__(self, invitations: Invitations, devices: Registry, ledger: Ledger) -> None:
        self._invitations, self._devices, self._ledger = invitations, devices, ledger
        self._shell = Shell()
        self._look = Look(HERE, styles=[HERE / "static" / "screen.css"])
        self._worker = self._shell.worker(self._look.text(PAGE, CONTEXT).encode())

    async def page(self, request: Request) -> Response:
        """The page, the same for every window and before every enrolment."""
        return self._look.page(request, PAGE, CONTEXT, headers=UNCACHED)

    async def worker(self, _: Request) -> Response:
        """The service worker, with the version of everything that it keeps. What it may load, its own headers say."""
        return Response(self._worker, headers=self._look.headers | UNCACHED, media_type=TYPES[".js"])

    async def file(self, request: Request) -> Response:
        """A script of the page. 404 if there is none of this name."""
        name = request.path_params["name"]
        if name not in self._shell.files:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(self._shell.files[name], headers=UNCACHED, media_type=TYPES[Path(name).suffix])

    async def invite(self, request: Request) -> Response:
        """Call a citizen to this window's terminal; says whether one hears it. Raises Invalid, Forbidden."""
        window, device = request.path_params["window"], request.state.device
        invitation = asked(await request.body(), Invitation)
        speak(device, window, invitation)
        demand_own_number(device, invitation.case_no)
        await is_own_case(
            self._ledger, device, invitation.dept_code, invitation.case_no, invitation.service_no
        )
        delivered = self._invitations.call(window, invitation)
        return answer(Delivered(delivered))

    async def invitations(self, request: Request) -> Response:
        """The calls to this window, for its terminal, as long as it listens and is registered as it was."""
        window, device = request.path_params["window"], request.state.device
        _listens(device, window)
        calls = heard(device, window, self._invitations, partial(self._devices.has_still, device))
        return StreamingResponse(calls, headers=UNBUFFERED, media_type="text/event-stream")


def _listens(device: Device, window: str) -> None:
    if device.kind != "terminal" or not device.channels:
        raise Forbidden("foreign_kind", "device_id", "only a terminal hears who is called")
    if device.window_code not in {"", window}:
        raise Forbidden("foreign_place", "window_code", "the window is not the device's own")


def routes(way_in: WayIn) -> list[BaseRoute]:
    """Its routes."""
    invitations = Invitations()
    way_in.lasting.append(invitations.end)
    way_in.devices.changed.append(invitations.look_again)
    screen = Screen(invitations, way_in.devices, way_in.ledger)
    window = "/v1/terminals/{window}"
    return [
        Guarded(way_in, f"/terminal/{WORKER}", screen.worker, auth=Auth.PUBLIC, rate=Rate.NONE),
        Guarded(way_in, STATIC_PATH + "{name}", screen.file, auth=Auth.PUBLIC, rate=Rate.NONE),
        Guarded(way_in, "/terminal/{window}", screen.page, auth=Auth.PUBLIC, rate=Rate.NONE),
        Guarded(
            way_in,
            f"{window}/invitations",
            screen.invitations,
            auth=Auth.SIGNED,
            rate=Rate.DEVICE,
            says=LISTENING,
        ),
        Guarded(
            way_in,
            f"{window}/invite",
            screen.invite,
            auth=Auth.SIGNED,
            rate=Rate.DEVICE,
            body=BODY,
            methods=["POST"],
            says=CALLING,
        ),
    ]
