"""What `hcp token` makes: the claims of a place or a case, by the words of the command line."""

from datetime import datetime, timedelta
from typing import NamedTuple

from pipeline.settings import Seal
from producers.errors import InputError
from producers.tokens import CaseToken, Claims, Kind, Place, Tokens, new_id
from schemas.reading import clean_text

CASE = "case"
WHAT = (*Kind, CASE)
PLACE_DAYS, CASE_DAYS = 365, 30
_CODES = {
    Kind.WINDOW: "window_code",
    Kind.HALL: "hall_code",
    Kind.ITEM: "item_code",
    Kind.DEPARTMENT: "dept_code",
    Kind.PERSON: "staff_id",
}


class About(NamedTuple):
    """What is known beside its own code; absent ones empty."""

    name: str = ""
    dept_code: str = ""
    hall_code: str = ""
    item_code: str = ""


def tokens_of(seal: Seal) -> Tokens:
    """Where they are made. Raises InputError if the settings hold no key."""
    try:
        return Tokens(seal)
    except ValueError as error:
        raise InputError(f"{error}, or run this in the folder where `hcp up` has been started") from None


def place(kind: Kind, code: str, about: About) -> Place:
    """A place's claims. Raises InputError for one without a name: it is what the page shows."""
    if not about.name:
        raise InputError("--name is missing: it is what citizens see on the page")
    codes = about._asdict() | {_CODES[kind]: code}
    return Place(token_id=new_id(), kind=kind, **codes)


def case(tokens: Tokens, case_no: str, service_no: int, about: About) -> CaseToken:
    """A case's claims, for a QR code on its receipt. Raises InputError."""
    case_no = clean_text(case_no)  # as the contract cleans that of its records
    if not 1 <= len(case_no) <= 64:
        raise InputError("a case number has 1 to 64 characters")
    token_id = tokens.case_id(case_no, service_no)
    return CaseToken(token_id=token_id, case_no=case_no, service_no=service_no, **about._asdict())


def expiry(claims: Claims, days: int, now: datetime) -> datetime:
    """Until when: `days`, or what is usual where they are 0."""
    usual = CASE_DAYS if isinstance(claims, CaseToken) else PLACE_DAYS
    return now + timedelta(days=days or usual)
