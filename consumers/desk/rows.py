"""Rows of a page: one that cannot be shown is told as such, and the page stands."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from markupsafe import Markup

from pipeline.privacy import mask

log = logging.getLogger(__name__)

_WORDS = "无法显示，其他内容不受影响。请告诉技术人员：日志中的 row_not_shown 写明了原因"


def each(rows: Iterable[Any], name: str, columns: int = 0, *, caller: Callable[[Any], Markup]) -> Markup:
    """What the block of a template's `{% call(row) each … %}` makes of each row.

    `name`: the attribute that tells one row from another. `columns`: of the table; 0 if it is a list.
    """
    return Markup("").join(_one(row, name, columns, caller) for row in rows)


def _one(row: Any, name: str, columns: int, caller: Callable[[Any], Markup]) -> Markup:
    try:
        return caller(row)
    except Exception as error:  # noqa: BLE001  whatever is wrong with it is no other row's fault
        which = mask(str(getattr(row, name, "")))
        log.error("row_not_shown", extra={name: which, "error": type(error).__name__})  # noqa: TRY400  no trace: it may quote a citizen
        said = Markup("{} {}").format(which, _WORDS)
        if columns:
            return Markup('<tr class="unshown"><td colspan="{}">{}</td></tr>').format(columns, said)
        return Markup('<li class="unshown">{}</li>').format(said)
