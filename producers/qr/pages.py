"""The pages behind a code: the form, its submit, thanks, the second try, the receipt."""

import asyncio
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from producers.gateway.reviews import once
from producers.gateway.way_in import WayIn
from producers.pages.look import HERE as PAGES
from producers.pages.look import Look
from producers.pages.words import department
from producers.qr.following import Following
from producers.qr.form import Typed, mistakes, reasons_offered, review
from producers.qr.refusing import OTHER_WAYS, notice_of
from producers.spool.errors import AlreadyUsed, NonceUsed, SpoolError
from producers.tokens import CaseToken, Claims
from schemas.receipt import event_of, new_event_id, number_of

HERE = PAGES.parent / "qr"
MAX_FIELDS = 100


class Trouble(NamedTuple):
    """Why a form without mistakes was not taken, as it is said above it."""

    title: str
    words: str


LATER = Trouble("现在暂时不能接收", f"您填写的内容都还在这一页上。请过半分钟再点“提交评价”。{OTHER_WAYS}")
SECOND = Trouble(
    "您已经评价过这次服务了",
    "第一次评价已经收到，不会被覆盖。您刚才填写的内容都还在这一页上，可以作为追加评价提交。",
)


class Pages:
    """The endpoints. Each gets a Request that its route has admitted (`guard.Guarded`)."""

    def __init__(self, way_in: WayIn) -> None:
        self._way_in = way_in
        self._following = Following(way_in.settings.rules.zone, way_in.spool, way_in.ledger)
        self._look = Look(HERE, [HERE / "static" / "form.css"], [HERE / "static" / "form.js"])

    async def form(self, request: Request) -> Response:
        """GET /r/{token}: the form; for a case that was reviewed, what was done and the follow-up."""
        claims: Claims = request.state.claims
        first, second = await self._reviewed(claims)
        if not first:
            return self._form(request, self._fresh(1))
        if second or "again" not in request.query_params:
            return self._again(request, (first, second))
        return self._form(request, self._fresh(2))

    async def submit(self, request: Request) -> Response:
        """POST /r/{token}: what was typed is taken, or shown again with what is wrong."""
        typed = Typed.of(await _fields(request), self._way_in.clock())
        if wrong := mistakes(typed):
            return self._form(request, typed, status=422, mistakes=wrong)
        try:
            is_new = await self._take(request.state.claims, typed)
        except AlreadyUsed:
            return await self._second_try(request, typed)
        except SpoolError as error:
            headers = notice_of(error).headers
            return self._form(request, typed, status=503, headers=headers, trouble=LATER)
        before = "" if is_new else "&before=1"
        return RedirectResponse(f"{_action(request)}/thanks?number={number_of(typed.event_id)}{before}", 303)

    async def thanks(self, request: Request) -> Response:
        """GET /r/{token}/thanks: where a browser is sent after a submit."""
        number = number_of(event_of(request.query_params.get("number", "")))
        if not number:
            return RedirectResponse(_action(request), 303)
        is_case, before = isinstance(request.state.claims, CaseToken), "before" in request.query_params
        context = {"number": number, "is_case": is_case, "before": before}
        return self._look.page(request, "thanks.html", context)

    async def receipt(self, request: Request) -> Response:
        """GET /r/receipt: asks for a receipt number, and says what became of that review."""
        number = request.query_params.get("number", "").strip()
        context: dict[str, Any] = {"number": number, "progress": None, "mistake": ""}
        if event_id := event_of(number):
            progress = await self._following.progress(event_id)
            context |= {"number": number_of(event_id), "progress": progress}
        elif number:
            context["mistake"] = "请核对编号：共 12 位数字和字母"
        return self._look.page(request, "receipt.html", context, 422 if context["mistake"] else 200)

    def refuse(self, request: Request, error: Exception) -> Response:
        """The page for a request that was not admitted."""
        notice = notice_of(error)
        context = {"title": notice.title, "lines": notice.lines}
        return self._look.page(request, "notice.html", context, notice.status, notice.headers)

    async def _take(self, claims: Claims, typed: Typed) -> bool:
        """Have it on disk. False if this form was sent before (a double click, a retry): it stays one review."""
        if await asyncio.to_thread(self._way_in.spool.find, typed.event_id):
            return False
        event, source = review(typed, claims, self._way_in.clock()), f"/{claims.channel}"
        try:
            await self._way_in.accept(
                event,
                source=source,
                sender=claims.sender(source),
                nonce=f"/form/{typed.event_id}",
                once=once(claims, typed.review_no),
            )
        except NonceUsed:
            return False
        return True

    async def _second_try(self, request: Request, typed: Typed) -> Response:
        """Another form has reviewed this service: what was typed may still be its follow-up."""
        first, second = await self._reviewed(request.state.claims)
        if second:
            return self._again(request, (first, second), 409)
        typed = typed._replace(event_id=new_event_id(self._way_in.clock()), review_no=2)
        return self._form(request, typed, status=409, trouble=SECOND)

    async def _reviewed(self, claims: Claims) -> tuple[str, str]:
        """The ids of the first review and of the follow-up that were made with this token; empty while there is none."""
        if not isinstance(claims, CaseToken):
            return "", ""
        owner = self._way_in.spool.owner
        first, second = [await asyncio.to_thread(owner, once(claims, number)) for number in (1, 2)]
        return first, second

    def _fresh(self, review_no: int) -> Typed:
        return Typed(new_event_id(self._way_in.clock()), review_no)

    def _form(
        self,
        request: Request,
        typed: Typed,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        mistakes: dict[str, str] | None = None,
        trouble: Trouble | None = None,
    ) -> Response:
        context = {
            "typed": typed,
            "mistakes": mistakes or {},
            "trouble": trouble,
            "reasons": reasons_offered(),
        }
        return self._look.page(request, "review.html", _about(request) | context, status, headers)

    def _again(self, request: Request, event_ids: tuple[str, str], status: int = 200) -> Response:
        named = zip(("回执编号", "追加评价的回执编号"), map(number_of, event_ids), strict=True)
        numbers = [(name, number) for name, number in named if number]
        context = _about(request) | {"numbers": numbers, "follow_up": not event_ids[1]}
        return self._look.page(request, "again.html", context, status)


async def _fields(request: Request) -> dict[str, list[str]]:
    """The fields of a form; none for what is no form."""
    try:
        return parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=MAX_FIELDS)
    except ValueError:
        return {}


def _action(request: Request) -> str:
    return f"/r/{request.path_params['token']}"


def _about(request: Request) -> dict[str, Any]:
    claims: Claims = request.state.claims
    return {"claims": claims, "department": department(claims.dept_code), "action": _action(request)}
