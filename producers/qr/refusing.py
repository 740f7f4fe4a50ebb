"""What a page says when it cannot go on, in the citizen's words."""

from typing import NamedTuple

from producers.gateway import problems
from producers.gateway.errors import NotSupported, RateLimited
from producers.spool.errors import SpoolError
from producers.tokens import TokenBad, TokenExpired

OTHER_WAYS = "您也可以使用窗口评价器、纸质评价表，或者拨打 12345 评价。"


class Notice(NamedTuple):
    """A page that says why, and what to do."""

    status: int
    title: str
    lines: tuple[str, ...]
    headers: dict[str, str]


def notice_of(error: Exception) -> Notice:
    """The page for a refusal; status and headers are those of its problem document, unless a page has better ones. Pure."""
    problem = problems.of(error)
    title, *lines = _words(error)
    headers = {} if isinstance(error, TokenBad | TokenExpired) else dict(problem.headers)
    return Notice(_STATUS.get(type(error), problem.status), title, tuple(lines), headers)


_STATUS: dict[type, int] = {TokenExpired: 410, TokenBad: 404}
"""401 would ask the browser for a password."""


def _words(error: Exception) -> tuple[str, ...]:
    match error:
        case TokenExpired():
            return "这个二维码已经过期", "请向窗口工作人员索取新的二维码，再扫一次。", OTHER_WAYS
        case TokenBad():
            return (
                "没有认出这个二维码",
                "链接可能不完整，或者二维码有污损。请再扫一次；仍然不行时，请告诉窗口工作人员。",
                OTHER_WAYS,
            )
        case RateLimited():
            return (
                "请稍等一会儿",
                f"现在提交的人较多，请等 {error.headers['Retry-After']} 秒后再试。",
                "刚才填写了内容的，请用浏览器的“返回”回到评价页。",
            )
        case NotSupported():
            return (
                "没有提交成功",
                "填写的内容可能太长，或者网络太慢。请用浏览器的“返回”回到评价页，再试一次。",
            )
        case SpoolError():
            return "现在暂时不能接收", "请过半分钟再试一次。", OTHER_WAYS
        case _:
            return "没有提交成功", "请再扫一次二维码，重新填写。", OTHER_WAYS
