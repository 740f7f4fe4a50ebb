"""电话评价: an operator of 12345 keys in what a caller said; the gateway takes it as any other review."""

from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from consumers.desk.desk import Desk
from consumers.desk.hotline_form import Typed, mistakes, reasons_offered, review
from consumers.desk.origin import must_be_ours
from consumers.desk.sending import Gateway, Receipt, Refused
from schemas.catalogue import departments
from schemas.codes import BAD_LEVELS, SATISFACTION
from schemas.events import Reason
from schemas.receipt import number_of

MAX_BODY = 128 * 1024
"""14,000 characters of Chinese: a comment far too long comes back to be shortened. Parsing a megabyte holds up the desk."""
MAX_FIELDS = 100

_FIELDS = {
    "case_no": "case_no",
    "service_no": "service_no",
    "dept_code": "department",
    "hall_code": "hall",
    "window_code": "window",
    "satisfaction": "level",
    "reason_codes": "level",
    "comment": "comment",
    "submitted_at": "at",
    "reviewer": "phone",
}
"""The event's fields → the form's."""
_REASONS = {
    Reason.OUT_OF_RANGE: "评价网关不接受：长度或数值超出范围",
    Reason.TIME_OUT_OF_RANGE: "评价网关不接受：时间超出范围",
    Reason.TOO_LARGE: "评价网关不接受：内容太长",
}
_NOT_TAKEN = "评价网关不接受这一项，请核对"
_FOREIGN = "本页登记的设备只能报送指定的部门或窗口，请核对，或者联系管理员"
_TROUBLES = {
    "away": "评价网关暂时没有应答。您填写的内容都在下面，请过一会儿再次提交。",
    "clock_skew": "本机的时间不准，评价网关没有接受。请联系管理员校准时间后再次提交。",
    "foreign_channel": "本页登记的设备没有 12345热线 渠道。请联系管理员重新登记。",
    "too_large": "内容太长，请删减后再次提交。",
}
_TRY_AGAIN = "评价网关现在不能接收。您填写的内容都在下面，请过一会儿再次提交。"
_UNKNOWN_DEVICE = "评价网关不认可本页登记的设备。请联系管理员核对 HCP_WEB__HOTLINE_DEVICE、_KEY 和 _SECRET。"
_NOT_KNOWN = frozenset({"signature_wrong", "device_revoked", "key_expired", "not_signed"})


class HotlinePages:
    """The endpoints."""

    def __init__(self, desk: Desk, gateway: Gateway, device_id: str) -> None:
        self._desk, self._gateway, self._device_id = desk, gateway, device_id

    def form(self, request: Request) -> Response:
        """An empty form; how to register, if the settings do not say as whom to send."""
        return self._show(request, self._blank())

    async def submit(self, request: Request) -> Response:
        """Send what was typed, or show it again with what is wrong. 403 for a form of another site."""
        must_be_ours(request)
        typed = Typed.of(_fields(await _body(request)), self._blank())
        wrong = mistakes(typed, self._desk.clock(), self._desk.policy.zone)
        if wrong or not self._gateway.knows_us:
            return self._show(request, typed, wrong, status=HTTPStatus.UNPROCESSABLE_ENTITY)
        event = review(typed, self._device_id, self._desk.policy.zone)
        try:
            receipt = await run_in_threadpool(self._gateway.send, event)
        except Refused as refused:
            wrong, trouble = _said(refused)
            return self._show(request, typed, wrong, trouble, HTTPStatus.BAD_GATEWAY)
        return self._done(request, typed, receipt)

    def _blank(self) -> Typed:
        return Typed.new(self._desk.clock(), self._desk.policy.zone)

    def _show(
        self,
        request: Request,
        typed: Typed,
        wrong: dict[str, str] | None = None,
        trouble: str = "",
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        context = {
            "typed": typed,
            "mistakes": wrong or {},
            "trouble": trouble,
            "registered": self._gateway.knows_us,
            "departments": departments(),
            "levels": sorted(SATISFACTION, reverse=True),
            "offered": reasons_offered(),
        }
        return self._desk.show(request, "hotline.html", context, status)

    def _done(self, request: Request, typed: Typed, receipt: Receipt) -> Response:
        number = number_of(receipt.event_id)
        context = {"typed": typed, "receipt": receipt, "number": number, "bad": typed.level in BAD_LEVELS}
        return self._desk.show(request, "hotline_done.html", context)


def _said(refused: Refused) -> tuple[dict[str, str], str]:
    """What the gateway's refusal is to the operator: beside a field, or above the form."""
    field = _FIELDS.get(refused.field)
    if field and refused.kind in {"invalid_event", "foreign_place"}:
        words = _FOREIGN if refused.kind == "foreign_place" else _REASONS.get(refused.reason, _NOT_TAKEN)
        return {field: words}, ""
    if refused.kind in _NOT_KNOWN:
        return {}, _UNKNOWN_DEVICE
    return {}, _TROUBLES.get(refused.kind, _TRY_AGAIN)


async def _body(request: Request) -> str:
    """The form as it was sent. 413 for one that nobody typed."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return body.decode("utf-8", "replace")


def _fields(body: str) -> dict[str, list[str]]:
    """The form's fields. 400 for more of them than a form of ours has."""
    try:
        return parse_qs(body, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise HTTPException(HTTPStatus.BAD_REQUEST) from None
