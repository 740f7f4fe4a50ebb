"""A route that says who may call it, how often, and how much it reads, and holds to it before its endpoint is asked."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from enum import StrEnum
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.runtime.hosts import WRONG
from pipeline.web.known_hosts import called_by
from producers.devices.tickets import Ticket, TicketBad, TicketExpired
from producers.gateway import problems
from producers.gateway.accepting import demand
from producers.gateway.address import peer_of
from producers.gateway.body import read_body, replay
from producers.gateway.errors import NotSupported, Unauthorized
from producers.gateway.limiter import Spent, headers_of
from producers.gateway.operation import Operation
from producers.gateway.outside import ROUTE
from producers.gateway.way_in import WayIn
from producers.tokens import Claims

BODY = 64 * 1024
Endpoint = Callable[[Request], Awaitable[Response]]


class Auth(StrEnum):
    """Who may call."""

    SIGNED = "signed"  # a device: request.state.device, request.state.nonce
    TOKEN = "token"  # noqa: S105  whoever has a token: request.state.claims
    TICKET = "ticket"  # whoever opens an enrolment link: request.state.ticket
    PUBLIC = "public"  # anybody
    OPERATOR = "operator"  # from this machine, or from a trusted one, and by a name of ours


class Rate(StrEnum):
    """How often."""

    ADDRESS = "address"  # so many a minute from one address
    TOKEN = "token"  # noqa: S105  the same, and so many a minute with one token, from one address and from all
    PAGE = "page"  # as ADDRESS, counted apart: who sees that a review was taken, uses up no review
    DEVICE = "device"  # so many events a minute of one device; of strangers, as ADDRESS, counted apart
    NONE = "none"  # as often as wanted: an answer from memory


class Rules(NamedTuple):
    """What a route allows. `body`: bytes at most."""

    auth: Auth
    rate: Rate
    body: int


class Declared(Route):
    """A route with rules; and with a description, if it is for programs."""

    rules: Rules
    says: Operation | None = None

    @property
    def asked_with(self) -> set[str]:
        """The methods, without the one that comes along with GET."""
        return (self.methods or set()) - {"HEAD"}


class Guarded(Declared):
    """A route with rules. The endpoint gets a Request whose body is read, with `state.address` and what its Auth adds.

    `refuse` makes the answer to a refusal: a problem document, where a page says something kinder.
    """

    def __init__(
        self,
        way_in: WayIn,
        path: str,
        endpoint: Endpoint,
        *,
        auth: Auth,
        rate: Rate,
        body: int = 0,
        methods: Collection[str] = ("GET",),
        refuse: problems.Answer = problems.answer,
        says: Operation | None = None,
    ) -> None:
        self.rules, self.says = Rules(auth, rate, body), says
        self._way_in, self._endpoint, self._refuse = way_in, endpoint, refuse
        super().__init__(path, self._answer, methods=methods, name=getattr(endpoint, "__name__", None))

    async def _answer(self, request: Request) -> Response:
        spent: list[Spent] = []
        request.scope[ROUTE] = self.path
        try:
            response = await self._endpoint(await self._admit(request, spent))
        except problems.EXPECTED as error:
            problems.count(error)
            response = self._refuse(request, error)
        response.headers.update(headers_of(*spent) if "RateLimit" not in response.headers else {})
        return response

    async def _admit(self, request: Request, spent: list[Spent]) -> Request:
        """1. Not too often. 2. In a form that we give. 3. Not too much. 4. Who it is. Raises what problems know."""
        way_in, rules = self._way_in, self.rules
        peer, forwarded = peer_of(request.scope)
        address = way_in.proxies.caller(peer, forwarded)
        if rules.auth is Auth.OPERATOR and not way_in.proxies.is_operator(peer, forwarded):
            raise NotSupported(404, "not_found", "Not Found")
        if rules.auth is Auth.OPERATOR and not called_by(request.scope, way_in.hosts):
            raise NotSupported(421, "misdirected_request", "Not called by a name of ours", WRONG.strip())
        if rules.rate in {Rate.ADDRESS, Rate.TOKEN}:
            spent.append(way_in.limiter.address(address))
        if rules.rate is Rate.PAGE:
            spent.append(way_in.limiter.page(address))
        if self.says:
            demand(request.headers.get("accept", ""), self.says.media)
        body = await read_body(request.scope, request.receive, rules.body, way_in.patience)
        request = Request(request.scope, replay(body))
        request.state.address = address
        await self._recognise(request, body, spent)
        return request

    async def _recognise(self, request: Request, body: bytes, spent: list[Spent]) -> None:
        way_in, rules = self._way_in, self.rules
        if rules.auth is Auth.SIGNED:
            signed = way_in.device_of(request.headers.items(), request.scope, body)
            request.state.device, request.state.nonce = signed
            await way_in.use_up(request.state.nonce)
        if rules.auth is Auth.TOKEN:
            request.state.claims = claims = self._claims(request)
            if rules.rate is Rate.TOKEN:
                spent += way_in.limiter.token(claims.token_id, request.state.address)

        if rules.auth is Auth.TICKET:
            request.state.ticket = _ticket(way_in, request.headers)

    def _claims(self, request: Request) -> Claims:
        """Of the token in the path, where the route has one, else of the header Authorization."""
        return self._way_in.tokens.read(request.path_params.get("token") or bearer(request.headers))


def bearer(headers: Mapping[str, str]) -> str:
    """The token of the header Authorization. Raises Unauthorized."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized(
            "token_missing", "A token is needed", "Authorization: Bearer <token>", scheme="Bearer"
        )
    return token.strip()


def _ticket(way_in: WayIn, headers: Mapping[str, str]) -> Ticket:
    """Of the header Authorization. Raises Unauthorized."""
    try:
        return way_in.tickets.read(bearer(headers))
    except TicketBad:
        raise Unauthorized("ticket_bad", "This is no enrolment link of ours", scheme="Bearer") from None
    except TicketExpired:
        detail = "it lasts 15 minutes; make another: hcp device rotate"
        raise Unauthorized("ticket_expired", "The link's time is over", detail, scheme="Bearer") from None
