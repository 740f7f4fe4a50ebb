"""The ledger in plain Python: dictionaries, nothing clever, obviously right. The fold must agree with it.

It reads the same arrivals as the fold and recomputes everything from all of them, so order and repetition cannot matter.
"""

import copy
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import astuple

from pipeline.rules.fold import Arrival
from pipeline.rules.inspection import passed
from schemas.events import CaseEvent, ReviewEvent

DAY = timedelta(hours=24)
ZONE = ZoneInfo("Asia/Shanghai")
SERVICE = tuple[str, int, str]


@dataclass
class Model:
    """`copies`: (natural key, event id, digest) → every arrival of that event."""

    copies: dict[tuple[Any, ...], list[Arrival]] = field(default_factory=lambda: defaultdict(list))

    def read(self, arrival: Arrival) -> None:
        """Take one arrival in."""
        event = arrival.entry.event
        natural: object = "case" if isinstance(event, CaseEvent) else "decision"
        if isinstance(event, ReviewEvent):
            natural = event.review_no
        self.copies[(*astuple(arrival.key), natural, arrival.entry.event_id, arrival.entry.digest)].append(
            arrival
        )

    def received(self, identity: tuple[Any, ...]) -> datetime:
        """The least of all copies."""
        return min(arrival.entry.received_at for arrival in self.copies[identity])

    def senders(self, event: tuple[Any, ...]) -> set[str]:
        """Who is named as the sender of this event (key, event id, digest), which may be both a case's and a review's."""
        return {self.sender(i) for i in self.copies if (i[0], i[1], i[4], i[5]) == event}

    def services(self) -> set[SERVICE]:
        """Every key that something was said about."""
        return {identity[:3] for identity in self.copies}

    def under(self, service: SERVICE, natural: object) -> list[tuple[Any, ...]]:
        """The distinct events of one kind under a key."""
        return [identity for identity in self.copies if identity[:3] == service and identity[3] == natural]

    def event(self, identity: tuple[Any, ...]) -> Any:
        """What was said."""
        return self.copies[identity][0].entry.event

    def sender(self, identity: tuple[Any, ...]) -> str:
        """Who sent the copy that was received first, of several that one which lies first in the log."""
        copies = [arrival.entry for arrival in self.copies[identity]]
        return min(copies, key=lambda entry: (entry.received_at, entry.place)).sender

    def order(self, identity: tuple[Any, ...]) -> tuple[Any, ...]:
        """Of two versions the lesser one was first."""
        return (self.received(identity), identity[4], identity[5])

    def owned(self, service: SERVICE) -> list[tuple[Any, ...]]:
        """The versions of the department that was first with this service, or of its sender; those of the department for
        which a person decided last, if there are any.
        """
        cases = self.under(service, "case")
        if not cases:
            return []
        if self.decided(service):
            return self.decided(service)
        first = min(cases, key=self.order)
        dept, sender = self.event(first).dept_code, self.sender(first)
        return [i for i in cases if self.event(i).dept_code == dept or self.sender(i) == sender != ""]

    def decided(self, service: SERVICE) -> list[tuple[Any, ...]]:
        """The versions of the department for which a person decided last."""
        last = max(self.under(service, "decision"), key=self.order, default=None)
        chosen = self.event(last).dept_code if last else None
        return [i for i in self.under(service, "case") if self.event(i).dept_code == chosen]

    def owner_sender(self, service: SERVICE) -> str:
        """Who sent the version by which the service has its owner."""
        first = min(self.decided(service) or self.under(service, "case"), key=self.order, default=None)
        return self.sender(first) if first else ""

    def disputed(self, service: SERVICE) -> bool:
        """Others say something of this service, too, and no person has decided."""
        return not self.decided(service) and len(self.owned(service)) < len(self.under(service, "case"))

    def current(self, service: SERVICE) -> Any:
        """The case whose content holds: the greatest of the owner's."""
        return max(self.owned(service), key=self.order, default=None)

    def anothers(self, identity: tuple[Any, ...]) -> bool:
        """A system has sent this review, or issued its link, that is not the one which was first with the service.

        Of a call to 12345 the county's desk is the system.
        """
        owner, sender = self.owner_sender(identity[:3]), self.sender(identity)
        by_system = sender.startswith("/system/") and self.event(identity).channel != "hotline"
        return by_system and sender != owner

    def effective(self, service: SERVICE, review_no: int) -> Any:
        """The review that counts: the least (is default, is another's, received_at, event_id, digest)."""
        return min(
            self.under(service, review_no),
            key=lambda i: (self.event(i).channel == "default", self.anothers(i), *self.order(i)),
            default=None,
        )

    def outcome(self, service: SERVICE) -> str | None:
        """matched, matched_late; None while the pair is not whole."""
        case, review = self.current(service), self.effective(service, 1)
        if case is None or review is None:
            return None
        first_received = min(self.received(i) for i in self.under(service, "case"))
        limit = max(self.event(case).served_at, self.event(review).submitted_at) + DAY
        return "matched" if first_received <= limit and self.received(review) <= limit else "matched_late"

    def open_since(self, service: SERVICE) -> datetime | None:
        """Since when one half waits for the other."""
        case, review = self.current(service), self.effective(service, 1)
        if case is None:
            return self.event(review).submitted_at if review else None
        real = review is not None and self.event(review).channel != "default"
        return None if real else self.event(case).served_at

    def fates(self) -> Counter[str]:
        """How many records met which fate, over all topics."""
        fates: Counter[str] = Counter()
        for service in self.services():
            for natural in ("case", "decision", 1, 2):
                distinct = self.under(service, natural)
                real = [
                    i for i in distinct if isinstance(natural, int) and self.event(i).channel != "default"
                ]
                conflicts = max(0, len(real) - 1) if service[0] else 0
                fates["conflict"] += conflicts
                fates["stored"] += len(distinct) - conflicts
                fates["duplicate"] += sum(len(self.copies[i]) - 1 for i in distinct)
        return fates

    def tickets(self) -> dict[tuple[Any, ...], tuple[str, datetime]]:
        """Each distinct bad review → the department it goes to, and when it was opened."""
        tickets = {}
        for identity in self.copies:
            if identity[3] in (1, 2) and self.event(identity).satisfaction <= 2:
                case = self.current(identity[:3]) if identity[0] else None
                dept = self.event(case).dept_code if case else self.event(identity).dept_code or "610326"
                tickets[identity] = (dept, self.received(identity))
        return tickets

    def counters(self) -> Counter[str]:
        """The sums of the running counters over all days, departments and modes."""
        sums: Counter[str] = Counter()
        for service in self.services():
            case, review = self.current(service), self.effective(service, 1)
            if case is not None:
                sums["services"] += 1
                sums["reviewed"] += self.open_since(service) is None
                sums["disputed"] += self.disputed(service)
                first_received = min(self.received(i) for i in self.under(service, "case"))
                sums["cases_on_time"] += first_received - self.event(case).served_at <= DAY
            for identity in self.under(service, "case"):
                sums["case_records"] += 1
                sums["cases_passed"] += passed(self.copies[identity][0].entry.flags)
            if service[0] and review is not None:
                sums[self.outcome(service) or "unpaired"] += 1
                self._count_level(sums, review)
            for identity in [i for n in (1, 2) for i in self.under(service, n)]:
                self._count_review(sums, service, identity)
        return +sums

    def _count_level(self, sums: Counter[str], review: tuple[Any, ...]) -> None:
        event = self.event(review)
        sums[f"{'default' if event.channel == 'default' else 'level'}_{event.satisfaction}"] += 1

    def _count_review(self, sums: Counter[str], service: SERVICE, identity: tuple[Any, ...]) -> None:
        event = self.event(identity)
        sums["review_records"] += 1
        sums["reviews_on_time"] += self.received(identity) - event.submitted_at <= DAY
        if not service[0]:
            sums["standalone" if event.review_no == 1 else "follow_ups"] += 1
            if event.review_no == 1:
                self._count_level(sums, identity)
            return
        if identity != self.effective(service, event.review_no):
            sums["conflicts"] += event.channel != "default"
        elif event.review_no == 2:
            sums["follow_ups"] += 1


def modelled(history: list[Arrival]) -> Model:
    """The ledger that these arrivals make."""
    model = Model()
    for arrival in copy.deepcopy(history):
        model.read(arrival)
    return model
