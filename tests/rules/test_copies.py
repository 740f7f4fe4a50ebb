"""Copies of one event: the first received holds, and what is odd about any of them stays."""

from pipeline.rules.records import Dossier, Fate, Place
from tests.rules.test_settle import KEY, hour, review


def test_what_is_odd_about_any_copy_stays_on_the_one_that_is_kept() -> None:
    dossier = Dossier(KEY)
    for flags in ((), ("received_in_future",), ("device_gap", "received_in_future"), ()):
        entry = review()
        entry.flags = flags
        dossier.admit_review(entry)
    assert [kept.flags for kept in dossier.reviews] == [("device_gap", "received_in_future")]


def test_of_copies_the_first_received_holds_then_the_least_place_whatever_comes_first() -> None:
    first, again, earlier = review(received=5), review(received=5), review(received=4)
    first.place, again.place, earlier.place = (
        Place("review", 0, 9),
        Place("review", 0, 3),
        Place("review", 1, 7),
    )
    dossier = Dossier(KEY)
    assert dossier.admit_review(first) is Fate.STORED
    assert dossier.admit_review(again) is Fate.DUPLICATE
    assert dossier.reviews[0].place == again.place
    assert dossier.admit_review(earlier) is Fate.DUPLICATE
    assert (dossier.reviews[0].received_at, dossier.reviews[0].place) == (hour(4), earlier.place)
    assert len(dossier.reviews) == 1


def test_sender_and_link_of_a_devices_chain_are_those_of_the_copy_that_holds() -> None:
    first, earlier, later = review(received=5), review(received=4), review(received=6)
    first.sent_digest, earlier.sent_digest, later.sent_digest = "5" * 64, "4" * 64, "6" * 64
    first.sender, earlier.sender, later.sender = "5", "4", "6"
    dossier = Dossier(KEY)
    for entry in (first, earlier, later):
        dossier.admit_review(entry)
    assert [(kept.sent_digest, kept.sender) for kept in dossier.reviews] == [("4" * 64, "4")]
