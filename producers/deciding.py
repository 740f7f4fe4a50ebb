"""Whose a service is, decided by a person: a signed record on `hcp.decision.v1` (`contract.md`)."""

from difflib import get_close_matches
from typing import NamedTuple

import msgspec

from pipeline.clock import utc_now
from pipeline.ledger.case_versions import ask
from pipeline.settings import Settings
from producers.errors import InputError
from producers.publish import publisher
from schemas.catalogue import department_names, towns
from schemas.events import DecisionEvent
from schemas.identifiers import is_area_code, is_uscc, uuid7
from schemas.reading import Invalid, read

SOURCE = "/decision"


class Decided(NamedTuple):
    """What was published, and which departments have sent records of the service: with none of `event`'s it waits for one."""

    event: DecisionEvent
    said: list[str]


def decide(
    settings: Settings, case_no: str, service_no: int, department: str, why: str, decided_by: str
) -> Decided:
    """Publish the decision. `department`: its code, or its name as the catalogue has it.

    Blocks until the log has it. Raises InputError for words that make no decision, sqlalchemy errors when the database is away.
    """
    said, _ = ask(settings.database, case_no.strip(), service_no)
    code = _code(department, [one.dept_code for one in said])
    event = _clean(DecisionEvent(case_no, code, decided_by, why, str(uuid7()), service_no))
    with publisher(settings) as out:
        out.send(event, SOURCE)
    return Decided(event, list(dict.fromkeys(one.dept_code for one in said)))


def _code(words: str, said: list[str]) -> str:
    """By name, or a code that is one: a misspelt one would void the decision before. Raises InputError."""
    words, names = words.strip(), department_names() | {town.area_code: town.name for town in towns()}
    codes = {name: code for code, name in names.items()}
    if words in codes:
        return codes[words]
    if words in names or words in said or is_uscc(words) or is_area_code(words):
        return words
    known = ", ".join(f"{code} {names.get(code, '')}".strip() for code in said)
    nearest = ", ".join(get_close_matches(words, codes, cutoff=0.5))
    raise InputError(
        f"no department is called {words}: give its code or its full name"
        + (f"; records came from {known}" if known else "")
        + (f"; did you mean {nearest}?" if nearest else "")
    )


def _clean(event: DecisionEvent) -> DecisionEvent:
    """As the worker will read it."""
    try:
        return read(DecisionEvent, msgspec.json.encode(event), utc_now()).event
    except Invalid as invalid:
        raise InputError(f"this is no decision: {invalid.message}") from None
