"""Who of those that wait together is stored, who was seen before, who is refused. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from producers.spool.errors import AlreadyUsed, NonceUsed, SpoolError, SpoolFull
from producers.spool.record import Appended, Packed, from_ms
from producers.spool.store import Event

Answer = Appended | SpoolError


class Reply(Protocol):
    """Who waits for an answer: a Future, or what is lighter. Called in the spool's thread; does not block."""

    def set_result(self, result: Any, /) -> None: ...
    def set_exception(self, exception: BaseException, /) -> None: ...


class Request(NamedTuple):
    """Rows to append, all under one nonce and one once-key (empty: none).

    `future` gets the answers, one a row; if it is `alone`, the one answer itself.
    """

    rows: Sequence[Packed]
    nonce: str
    once: str
    alone: bool
    future: Reply


@dataclass
class Held:
    """What the spool holds of what a group of requests names, and, as they are judged, what they add."""

    events: dict[Event, int]
    nonces: set[str]
    owners: dict[str, Event]


@dataclass
class Verdict:
    """What is to be written, and for each request its answers, or the one error of the whole. `last`: seq of the last row.

    `turned_away`: rows for which there was no room.
    """

    rows: list[Packed] = field(default_factory=list)
    nonces: list[str] = field(default_factory=list)
    owners: dict[str, Event] = field(default_factory=dict)
    answers: list[list[Answer] | SpoolError] = field(default_factory=list)
    last: int = 0
    turned_away: int = 0


def judge(requests: Sequence[Request], held: Held, full: str = "") -> Verdict:
    """Judge a group in its order. `full` says why nothing new can be stored; what is here already is answered all the same."""
    verdict = Verdict()
    for request in requests:
        refusal = _refusal(request, held)
        verdict.answers.append(refusal or _take(request, held, verdict, full))
    return verdict


def _refusal(request: Request, held: Held) -> SpoolError | None:
    if request.nonce in held.nonces:
        return NonceUsed()
    owner = held.owners.get(request.once)
    if owner is None or all(row[:2] == owner for row in request.rows):
        return None
    return AlreadyUsed(owner[0])


def _take(request: Request, held: Held, verdict: Verdict, full: str) -> list[Answer]:
    answers = [_answer(row, held, verdict, full) for row in request.rows]
    if not any(isinstance(answer, SpoolError) for answer in answers):
        _use(request, held, verdict)
    return answers


def _answer(row: Packed, held: Held, verdict: Verdict, full: str) -> Answer:
    event = row.event_id, row.digest
    received = held.events.get(event)
    if received is not None:
        return Appended(fresh=False, received_at=from_ms(received))
    if full:
        verdict.turned_away += 1
        return SpoolFull(full)
    held.events[event] = row.received
    verdict.rows.append(row)
    return Appended(fresh=True, received_at=from_ms(row.received))


def _use(request: Request, held: Held, verdict: Verdict) -> None:
    if request.nonce:
        held.nonces.add(request.nonce)
        verdict.nonces.append(request.nonce)
    if request.once and request.once not in held.owners:
        owner = request.rows[0].event_id, request.rows[0].digest
        held.owners[request.once] = verdict.owners[request.once] = owner
