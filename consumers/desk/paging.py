"""Pages of a list: which one a URL asks for, and which there are."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request

from schemas.catalogue import department_names

PAGE_SIZE = 50
MOST_DEPARTMENTS = 200
"""That a page names: a county has some fifty, and whoever sends records may invent as many as he likes."""


class Paging(NamedTuple):
    """One page of `total` rows, `number` from 1 to `last`."""

    number: int
    last: int
    total: int

    @classmethod
    def of(cls, asked: int, total: int) -> "Paging":
        """The page asked for, or the last one."""
        last = max(1, -(-total // PAGE_SIZE))
        return cls(min(asked, last), last, total)

    @property
    def offset(self) -> int:
        """Rows before it."""
        return (self.number - 1) * PAGE_SIZE


def departments_shown(codes: Sequence[str]) -> list[str]:
    """The first of these departments, in their order; those of the catalogue before any that are not in it."""
    known = department_names()
    first = set(sorted(codes, key=lambda code: code not in known)[:MOST_DEPARTMENTS])
    return [code for code in codes if code in first]


def page_asked(request: Request) -> int:
    """The page in the URL; what is no number means the first."""
    page = request.query_params.get("page", "")
    return max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 7 else 1


def url(path: str, choice: Mapping[str, object]) -> str:
    """A list's URL: what is chosen, empty choices left out."""
    return f"{path}?" + urlencode({name: value for name, value in choice.items() if value})
