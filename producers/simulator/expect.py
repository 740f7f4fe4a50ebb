"""What the ledger must hold of a simulated county: what was taken, event by event, and what follows from it. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from schemas.codes import BAD_LEVELS, Channel
from schemas.events import CaseEvent, ReviewEvent


class Expect(msgspec.Struct):
    """`case_prefix`: of the county's case numbers. Ids of events: `cases`, `reviews` (with a case), `standalone` (without);
    `unanswered`: they may be there or not, the gateway was gone before it said so.
    """

    case_prefix: str
    services: int = 0
    conflicts: int = 0
    tickets: int = 0
    channels: dict[str, int] = {}
    cases: list[str] = []
    reviews: list[str] = []
    standalone: list[str] = []
    unanswered: list[str] = []


Taken = dict[str, CaseEvent | ReviewEvent]
"""By the id under which it was taken."""


def expected(case_prefix: str, taken: Taken, unanswered: Iterable[str]) -> Expect:
    """What follows from these having been taken, each however often."""
    cases = {name: event for name, event in taken.items() if isinstance(event, CaseEvent)}
    reviews = {name: event for name, event in taken.items() if isinstance(event, ReviewEvent)}
    return Expect(
        case_prefix,
        services=len({(case.case_no, case.service_no) for case in cases.values()}),
        conflicts=_conflicts(reviews.values()),
        tickets=sum(review.satisfaction in BAD_LEVELS for review in reviews.values()),
        channels=dict(Counter(review.channel.value for review in reviews.values())),
        cases=list(cases),
        reviews=[name for name, review in reviews.items() if review.case_no is not None],
        standalone=[name for name, review in reviews.items() if review.case_no is None],
        unanswered=[name for name in unanswered if name not in taken],
    )


def _conflicts(reviews: Iterable[ReviewEvent]) -> int:
    """Of n real judgements of one service, n - 1; a default review is none."""
    judged: dict[tuple[object, ...], int] = defaultdict(int)
    for review in reviews:
        if review.case_no is not None and review.channel is not Channel.DEFAULT:
            judged[review.case_no, review.service_no, review.review_no] += 1
    return sum(many - 1 for many in judged.values())
