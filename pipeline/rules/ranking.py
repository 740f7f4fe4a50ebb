"""Which of a service's reviews counts: a real one before a default, then what its owner or the county asked for before what
another's system did, then the one received first (`contract.md`, "Whose a service is").

A link proves who issued it, not that he may. That only the service's case records show: a review from a system is another's
unless the owner's first version is signed as of that very system, so also where nobody signed it, and while no case has come.
"""

from collections.abc import Iterable
from datetime import datetime

from pipeline.rules.records import Entry
from schemas.codes import Channel
from schemas.events import ReviewEvent

Review = Entry[ReviewEvent]
SYSTEM = "/system/"
"""How the sender begins that the edge signs for a department's or a platform's system, and for a link that it asked for."""
Order = tuple[datetime, str, str]


def issuer(sender: str, channel: str) -> str:
    """The system from which, or through whose link, a review came; "" if it came by a way of the county's own.

    Calls to 12345 are the county's, though its desk sends them as a system: no link is made for that channel.
    """
    return sender if sender.startswith(SYSTEM) and channel != Channel.HOTLINE else ""


def is_anothers(sender: str, channel: str, owner: str) -> bool:
    """Whether such a review ranks behind. `owner`: the sender of the service's owner; "" if there is none."""
    return issuer(sender, channel) not in {"", owner}


def effective(reviews: Iterable[Review], review_no: int, owner: str) -> Review | None:
    """Of the first reviews, or of the follow-ups, the one that counts; None if there is none."""

    def order(entry: Review) -> tuple[bool, bool, Order]:
        return entry.is_default, is_anothers(entry.sender, entry.event.channel, owner), _order(entry)

    return min((one for one in reviews if one.event.review_no == review_no), key=order, default=None)


def leading(reviews: Iterable[Review]) -> list[Review]:
    """The first of each sort of reviews, of which one counts, whoever owns the service; as many as systems that sent some."""
    leaders: dict[tuple[int, bool, str], Review] = {}
    for one in reviews:
        sort = one.event.review_no, one.is_default, _issuer(one)
        if sort not in leaders or _order(one) < _order(leaders[sort]):
            leaders[sort] = one
    return list(leaders.values())


def changes_sort(known: Review, copy: Review) -> bool:
    """Whether this copy of a review is the one that counts from now on, and came another way."""
    earlier = (copy.received_at, copy.place) < (known.received_at, known.place)
    return earlier and _issuer(copy) != _issuer(known)


def _issuer(entry: Review) -> str:
    return issuer(entry.sender, entry.event.channel)


def _order(entry: Review) -> Order:
    return entry.received_at, entry.event_id, entry.digest
