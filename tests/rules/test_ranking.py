"""Which review counts: another's never before the owner's or the county's, whoever came first, whatever came when."""

from collections.abc import Sequence
from itertools import permutations

import pytest
from msgspec.structs import replace

from pipeline.rules.ranking import is_anothers, leading
from pipeline.rules.records import AnyEntry, Dossier, Entry
from pipeline.rules.settle import settle
from pipeline.rules.tickets import tickets
from schemas.codes import Channel
from schemas.events import CaseEvent, ReviewEvent
from tests.rules.test_settle import KEY, POLICY, case, review

OWN, ANOTHERS = "/system/b", "/system/a"


def by(sender: str, entry: AnyEntry) -> AnyEntry:
    return replace(entry, sender=sender)


def counted(*reviews: Entry[ReviewEvent], cases: Sequence[Entry[CaseEvent]] = ()) -> list[str]:
    """The ids of those that count; the same in any order."""
    found = {
        tuple(one.event_id for one in settle(Dossier(KEY, list(cases), list(order)), POLICY).effective)
        for order in permutations(reviews)
    }
    (ids,) = found
    return list(ids)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("own", [OWN, "/qr", "/terminal/t", "/paper", "/import/x", ""])
def test_anothers_ranks_behind_at_both_levels_though_it_came_first(own: str, number: int) -> None:
    mine = by(own, review(received=9, event_id="own", review_no=number))
    theirs = by(ANOTHERS, review(received=1, event_id="anothers", review_no=number))
    assert counted(mine, theirs, cases=[by(OWN, case())]) == ["own"]
    assert counted(theirs, cases=[by(OWN, case())]) == ["anothers"], "while there is no other"


def test_the_owners_link_and_the_countys_ways_are_alike() -> None:
    reviews = [
        by(OWN, review(received=1, event_id="own")),
        by("/qr", review(received=2, event_id="qr")),
        by(ANOTHERS, review(received=0, event_id="anothers")),
    ]
    assert counted(*reviews, cases=[by(OWN, case())]) == ["own"]


@pytest.mark.parametrize("cases", [[], [case()], [by("/import/x", case())]])
def test_no_system_is_the_owner_where_no_first_version_says_so(cases: list[Entry[CaseEvent]]) -> None:
    """The case has not come, or nobody or no system signed it."""
    link = by(OWN, review(received=1, event_id="link"))
    assert counted(link, by("/qr", review(received=2, event_id="qr")), cases=cases) == ["qr"]
    assert counted(link, by(ANOTHERS, review(received=2, event_id="other")), cases=cases) == ["link"]


def test_the_first_version_decides_and_not_what_others_say_later() -> None:
    reviews = [by(OWN, review(received=2, event_id="own")), by(ANOTHERS, review(received=1, event_id="a"))]
    later = by(ANOTHERS, case(received=5, dept="D2", event_id="later"))
    assert counted(*reviews, cases=[by(OWN, case()), later]) == ["own"]
    earlier = by(ANOTHERS, case(received=-5, dept="D2", event_id="earlier"))
    assert counted(*reviews, cases=[by(OWN, case()), earlier]) == ["a"]


def test_a_default_ranks_behind_anothers_which_somebody_has_given() -> None:
    default = by(OWN, review(received=0, event_id="default", channel=Channel.DEFAULT))
    foreign = by(ANOTHERS, review(received=1, event_id="foreign", channel=Channel.DEFAULT))
    assert counted(default, by(ANOTHERS, review(event_id="a")), cases=[by(OWN, case())]) == ["a"]
    assert counted(default, replace(foreign, received_at=case().received_at), cases=[by(OWN, case())]) == [
        "default"
    ]


def test_a_call_to_12345_is_the_countys_though_its_desk_is_a_system() -> None:
    call = by("/system/hotline", review(received=5, event_id="call", channel=Channel.HOTLINE))
    assert counted(call, by(ANOTHERS, review(event_id="a")), cases=[by(OWN, case())]) == ["call"]
    assert not is_anothers("/system/hotline", Channel.HOTLINE, OWN)
    assert is_anothers("/system/hotline", Channel.APP, OWN)


def test_an_outranked_review_keeps_its_ticket_as_a_default_does() -> None:
    bad = by(ANOTHERS, review(level=1, event_id="bad"))
    own = by(OWN, review(received=2, event_id="own"))
    alone, both = (Dossier(KEY, [by(OWN, case())], reviews) for reviews in ([bad], [bad, own]))
    before, after = (tickets(one, settle(one, POLICY), POLICY) for one in (alone, both))
    assert [one.state for one in before.values()] == [one.state for one in after.values()]
    assert len(after) == 1


def test_the_first_of_every_sort_leads() -> None:
    firsts = [
        by(sender, review(received=1, event_id=f"{sender}{number}", review_no=number))
        for sender in ("", OWN, ANOTHERS)
        for number in (1, 2)
    ]
    later = [replace(one, event_id=one.event_id + "later") for one in firsts]
    assert {one.event_id for one in leading([*later, *firsts])} == {one.event_id for one in firsts}
