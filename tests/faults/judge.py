"""The verdict: the ledger against the load, against the model in plain Python, and against itself (`hcp verify`)."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from msgspec.structs import astuple

from pipeline.ledger.verify import verify
from pipeline.rules.fold import Arrival
from pipeline.rules.inspection import failed
from pipeline.rules.measures import MEASURES
from pipeline.rules.records import Entry, key_of
from pipeline.rules.records import Place as Lies
from schemas.events import CaseEvent, ReviewEvent
from schemas.reading import Invalid, Received, read
from schemas.topics import Stream
from tests.faults.hall import Hall
from tests.faults.load import Feeder
from tests.faults.witness import Place, Seen, Witness
from tests.harness import System
from tests.model import SERVICE, Model
from tests.wait import wait_for

QUIET_SECONDS = 90.0
_UNSENT = "select count(*) from outbox where sent_at is null and set_aside_at is null"


class Quick(Model):
    """The model with an index, for hundreds of thousands of records. It says the same."""

    def __init__(self) -> None:
        super().__init__()
        self._index: dict[tuple[SERVICE, object], dict[tuple[Any, ...], None]] = {}
        self._effective: dict[tuple[SERVICE, int], Any] = {}

    def read(self, arrival: Arrival) -> None:
        event = arrival.entry.event
        natural = "case" if isinstance(event, CaseEvent) else event.review_no
        identity = (*astuple(arrival.key), natural, arrival.entry.event_id, arrival.entry.digest)
        self._index.setdefault((identity[:3], natural), {})[identity] = None
        super().read(arrival)

    def under(self, service: SERVICE, natural: object) -> list[tuple[Any, ...]]:
        return list(self._index.get((service, natural), ()))

    def effective(self, service: SERVICE, review_no: int) -> Any:
        """Asked once for each record of a crowded key, when all is read."""
        key = service, review_no
        if key not in self._effective:
            self._effective[key] = super().effective(service, review_no)
        return self._effective[key]


def judge(
    system: System, feeder: Feeder, hall: Hall, witness: Witness, poisoned: Container[Place]
) -> list[str]:
    """What is wrong, in sentences; empty if nothing is. Waits until all is folded and sent, `QUIET_SECONDS` at most.

    `poisoned`: places of odd records that must be dead letters, whatever their value says.
    """
    try:
        system.wait_until_caught_up(QUIET_SECONDS)
        wait_for(lambda: system.one(_UNSENT) == 0, QUIET_SECONDS, "the outbox to be sent")
    except AssertionError as late:
        return [str(late)]
    witness.read()
    arrivals = [
        None if place in poisoned else _arrival(system, place, seen)
        for place, seen in witness.seen.items()
        if seen.value is not None
    ]
    return [
        *(str(finding) for finding in verify(system.settings)),
        *_log_against_load(feeder, witness),
        *_through_gateway(system, hall),
        *_fates(system, witness, arrivals),
        *_against_model(system, [one for one in arrivals if one]),
    ]


def _log_against_load(feeder: Feeder, witness: Witness) -> Iterator[str]:
    """Every acknowledged record lies in the log as it was sent; what lies there besides is poison or retries."""
    lost = [place for place, what in feeder.acknowledged.items() if hash(_value(witness, place)) != what]
    yield from _differ("acknowledged records that the log does not have", lost[:5], [])


def _value(witness: Witness, place: Place) -> bytes | str | None:
    return witness.seen[place].value if place in witness.seen else "missing"


def _through_gateway(system: System, hall: Hall) -> Iterator[str]:
    """What got a 202 is in the ledger once, what got a 503 is not, what got no answer may be; it did nothing else."""
    held = _event_ids(system)
    for what, ids, times in (
        ("taken", hall.taken, {1}),
        ("turned away", hall.turned_away, {0}),
        ("left without an answer", hall.unanswered, {0, 1}),
    ):
        wrong = {one: held[one] for one in ids if held[one] not in times}
        if wrong:
            yield f"events {what} by the gateway: {len(wrong)} are in the ledger that often: {dict(islice(wrong.items(), 5))}"
    yield from (f"{what} ({many} times)" for what, many in hall.wrong.items())


def _fates(system: System, witness: Witness, arrivals: Sequence[Arrival | None]) -> Iterator[str]:
    """Every record of the log has met one fate, and what cannot be read the one of a dead letter."""
    fates = system.fates()
    yield from _differ("records folded", sum(fates.values()), len(witness.seen))
    yield from _differ("dead letters", fates.get("dead_letter", 0), arrivals.count(None))
    yield from _differ("tombstones", fates.get("skipped", 0), len(witness.seen) - len(arrivals))
    yield from _differ("matches that only the sweep found", system.one("select count(*) from repair"), 0)
    yield from _differ("losses to retention", system.one("select count(*) from log_gap"), 0)


def _against_model(system: System, arrivals: Iterable[Arrival]) -> Iterator[str]:
    model = Quick()
    for arrival in arrivals:
        model.read(arrival)
    fates = {name: n for name, n in system.fates().items() if name in {"stored", "duplicate", "conflict"}}
    yield from _differ("fates", fates, dict(+model.fates()))
    want = model.counters()
    yield from _differ("counters", system.counters(*MEASURES), {n: want[n] for n in MEASURES if want[n]})
    rows = system.ask("select case_no, service_no, event_id, dept_code, opened_at from ticket")
    tickets = {(i[0], i[1], i[4]): ticket for i, ticket in model.tickets().items()}
    yield from _differ("tickets", {tuple(row[:3]): tuple(row[3:]) for row in rows}, tickets)
    services = {(s[0], s[1]): (model.outcome(s), model.open_since(s)) for s in model.services() if s[0]}
    held = system.ask("select case_no, service_no, outcome, open_since from service")
    yield from _differ("services", {tuple(row[:2]): tuple(row[2:]) for row in held}, services)
    yield from _differ("event ids", _event_ids(system), Counter(i[4] for i in model.copies))


def _event_ids(system: System) -> Counter[str]:
    """How often each event's id stands in the ledger."""
    rows = system.ask(
        "select event_id from service where not placeholder union all select event_id from case_version"
        " union all select event_id from review"
    )
    return Counter(str(row[0]) for row in rows)


def _differ(what: str, got: Any, want: Any) -> Iterator[str]:
    if got == want:
        return
    if not (isinstance(got, dict) and isinstance(want, dict)):
        yield f"{what}: the ledger has {got}, it must be {want}"
        return
    keys = [key for key in {**got, **want} if got.get(key) != want.get(key)]
    some = "; ".join(f"{key}: {got.get(key)} for {want.get(key)}" for key in keys[:5])
    yield f"{what}: {len(keys)} differ ({some})"


def _arrival(system: System, place: Place, seen: Seen) -> Arrival | None:
    """The event of a record as the fold reads it; None if it is none."""
    kind: Any = CaseEvent if place.stream is Stream.CASE else ReviewEvent
    try:
        got: Received[Any] = read(kind, seen.value or b"", datetime.fromtimestamp(seen.timestamp / 1000, UTC))
    except Invalid:
        return None
    lies = Lies(system.settings.kafka.topic(place.stream), place.partition, place.offset)
    flags = failed(got.event) if isinstance(got.event, CaseEvent) else ()
    entry: Entry[Any] = Entry(got.event, got.event_id, got.digest, got.received_at, lies, flags)
    return Arrival(key_of(got.event, got.event_id), entry)
