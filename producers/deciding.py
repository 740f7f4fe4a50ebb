"""Whose a service is, decided by a person: a signed record on `hcp.decision.v1` (`contract.md`)."""

from typing import NamedTuple

import msgspec

from pipeline.clock import utc_now
from pipeline.ledger.case_versions import ask
from pipeline.settings import Settings
from producers.errors import InputError
from producers.publish import publisher
from schemas.catalogue import department_names, towns
from schemas.events import DecisionEvent
from schemas.identifiers import uuid7
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
    event = _clean(DecisionEvent(case_no, _code(department), decided_by, why, str(uuid7()), service_no))
    said, _ = ask(settings.database, event.case_no, service_no)
    with publisher(settings) as out:
        out.send(event, SOURCE)
    return Decided(event, list(dict.fromkeys(one.dept_code for one in said)))


def _code(department: str) -> str:
    codes = {name: code for code, name in department_names().items()}
    codes |= {town.name: town.area_code for town in towns()}
    return codes.get(department.strip(), department)


def _clean(event: DecisionEvent) -> DecisionEvent:
    """As the worker will read it."""
    try:
        return read(DecisionEvent, msgspec.json.encode(event), utc_now()).event
    except Invalid as invalid:
        raise InputError(f"this is no decision: {invalid.message}") from None
