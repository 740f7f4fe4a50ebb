"""The coverage base (D9): 31 departments with 1,797 items, 8 towns.

The county's list names departments without codes. Until the county loads its own, each gets a *provisional*
code: a well-formed 统一社会信用代码 and well-formed item codes, derived from its place in the list.
"""

from functools import cache
from typing import NamedTuple

from schemas.codes import read_csv
from schemas.identifiers import uscc_check_digit

COUNTY = "610326"
COUNTY_NAME = "眉县"
COUNTY_OFFICE = COUNTY
"""Where a ticket goes that no department can be found for: the county's own supervising office."""
COUNTY_OFFICE_NAME = "县好差评监督办"


class Department(NamedTuple):
    """A department of the county; `items` is how many services its catalogue lists."""

    code: str
    name: str
    items: int

    def item_code(self, number: int) -> str:
        """The provisional 实施编码 (31 characters) of this department's n-th item, n from 1."""
        return f"{self.code}{number:013d}"


class Town(NamedTuple):
    """A town (镇街) of the county."""

    area_code: str
    name: str


@cache
def departments() -> tuple[Department, ...]:
    """The 31 departments in the order of the county's list."""
    return tuple(
        Department(_provisional_code(place), row["name"], int(row["items"]))
        for place, row in enumerate(read_csv("departments.csv"), start=1)
    )


@cache
def towns() -> tuple[Town, ...]:
    """The 8 towns."""
    return tuple(Town(row["area_code"], row["name"]) for row in read_csv("towns.csv"))


@cache
def department_names() -> dict[str, str]:
    """Code → name, the county's own office included."""
    return {d.code: d.name for d in departments()} | {COUNTY_OFFICE: COUNTY_OFFICE_NAME}


def _provisional_code(place: int) -> str:
    body = f"11{COUNTY}{place:09d}"  # 1 1: a body of the state; then the area; then the body's own nine
    return body + uscc_check_digit(body)
