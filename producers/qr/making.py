"""What `hcp token` makes: the claims of a place or a case, by the words of the command line."""

from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

import msgspec

from pipeline.clock import utc_now
from pipeline.seal_keys import Seal
from producers.errors import InputError
from producers.tokens import CaseToken, Claims, Kind, Place, Tokens, new_id
from schemas.events import ReviewEvent
from schemas.reading import clean_text, explain

C = TypeVar("C", bound=Claims)
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
    """A place's claims. Raises InputError, also for one without a name: it is what the page shows."""
    codes = about._asdict() | {_CODES[kind]: code}
    claims = fit(Place(token_id=new_id(), kind=kind, **codes))
    if not claims.name:
        raise InputError("--name is missing: it is what citizens see on the page")
    if _CODES[kind] not in claims.fields():
        raise InputError(f"the code of the {kind} is missing: a review would be about nothing")
    return claims


def case(tokens: Tokens, case_no: str, service_no: int, about: About) -> CaseToken:
    """A case's claims, for a QR code on its receipt. Raises InputError."""
    if not 1 <= len(clean_text(case_no)) <= 64:
        raise InputError("a case number has 1 to 64 characters")
    token_id = tokens.case_id(case_no, service_no)
    return fit(CaseToken(token_id=token_id, case_no=case_no, service_no=service_no, **about._asdict()))


def fit(claims: C) -> C:
    """These claims as a review with them will say them: cleaned as the contract cleans.

    Raises InputError for what it would refuse: the code would hang on the wall, and nobody's submit be taken.
    """
    said = msgspec.structs.asdict(claims).items()
    claims = msgspec.structs.replace(
        claims, **{name: clean_text(one) for name, one in said if type(one) is str}
    )
    review = ReviewEvent(5, claims.channel, utc_now(), **claims.fields())
    try:
        msgspec.convert(msgspec.to_builtins(review), ReviewEvent)
    except msgspec.ValidationError as error:
        raise InputError(explain(error).message) from None
    return claims


def expiry(claims: Claims, days: int, now: datetime) -> datetime:
    """Until when: `days`, or what is usual where they are 0."""
    usual = CASE_DAYS if isinstance(claims, CaseToken) else PLACE_DAYS
    return now + timedelta(days=days or usual)
