"""What the ledger gives back of a dossier is what was folded into it: every field, of what was asked for and nothing else."""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.ledger.decode import decode
from pipeline.ledger.held import hold
from pipeline.ledger.portion import Portion
from pipeline.rules.fold import Arrival, apply
from pipeline.rules.policy import Policy
from pipeline.rules.records import AnyEntry, Dossier, Key
from schemas.codes import Channel
from schemas.events import CaseEvent
from schemas.topics import Stream
from tests.harness import case, now, review
from tests.ledger.test_fold import Ledger, book, portion_of  # noqa: F401  `book` is a fixture

pytestmark = pytest.mark.system

PLACE = {"hall_code": "h", "window_code": "w", "staff_id": "s"}
CASE = case(
    "A", event_id="c1", service_no=7, item_name="医保\n\\N", area_code="610326001", source="src", handling_mode="online",
    accepted_at="2026-11-01T00:00:00Z", served_at="2026-11-02T00:00:00Z", received_at="2026-11-03T00:00:00Z", **PLACE,
)  # fmt: skip
REVIEW = review(
    "A", 1, event_id="r1", service_no=7, review_no=2, channel=Channel.TERMINAL, reason_codes=["1", ""], comment="慢",
    submitted_at="2026-11-02T01:00:00Z", received_at="2026-11-03T01:00:00Z", dept_code="D", item_code="I",
    device_id="d", device_seq=2**63 - 1, device_prev="0" * 64, real_name=True, reviewer={"phone": "1"}, **PLACE,
)  # fmt: skip


def hold_all(
    book: Ledger,  # noqa: F811
    *keys: Key,
    arrivals: Sequence[Arrival] = (),
    **options: bool,
) -> dict[Key, Dossier]:
    with book.connection.cursor() as cursor:
        held = hold(cursor, keys, arrivals, Policy(), **options)
    book.connection.rollback()
    return held


def folded(book: Ledger, *portions: Portion) -> dict[Key, Dossier]:  # noqa: F811
    """Folds these; returns the dossiers as the rules made them of the same records, in memory."""
    book.fold(*portions)
    arrivals = arrived(book, *portions)
    return {change.dossier.key: change.dossier for change in apply({}, arrivals, Policy()).dossiers}


def arrived(book: Ledger, *portions: Portion) -> list[Arrival]:  # noqa: F811
    return [arrival for p in portions for arrival in decode(p, book.folder.sealer).arrivals]


def kept(entry: AnyEntry) -> AnyEntry:
    """As the tables keep it: the sender's own claims about receipt and inspection went into the entry."""
    event = replace(entry.event, received_at=None)
    if isinstance(event, CaseEvent):
        event = replace(event, promised_at=None, failed_rules=[])
    return replace(entry, event=event)


def alike(ours: dict[Key, Dossier], theirs: dict[Key, Dossier]) -> bool:
    def of(dossiers: dict[Key, Dossier]) -> dict[Key, list[list[AnyEntry]]]:
        return {
            key: [
                sorted(map(kept, entries), key=lambda entry: entry.place)
                for entries in (dossier.cases, dossier.reviews)
            ]
            for key, dossier in dossiers.items()
        }

    assert of(ours) == of(theirs)
    return all(key == dossier.key for key, dossier in ours.items())


def test_a_case_and_its_reviews_come_back_whole(book: Ledger) -> None:  # noqa: F811
    made = folded(
        book,
        portion_of(Stream.CASE, 0, CASE),
        portion_of(Stream.REVIEW, 0, REVIEW, review("A", 5, service_no=7, channel=Channel.DEFAULT)),
    )
    assert [len(made[Key("A", 7)].cases), len(made[Key("A", 7)].reviews)] == [1, 2]
    assert alike(hold_all(book, Key("A", 7)), made)


def test_versions_come_back_whole_whichever_holds(book: Ledger) -> None:  # noqa: F811
    """Two that were replaced one after the other, and one that came too late to hold."""
    said = {"promised_at": "2026-11-02T00:00:00Z", "failed_rules": ["material_missing"]}
    newer = (
        CASE
        | said
        | {"event_id": "c2", "received_at": "2026-11-04T00:00:00Z", "served_at": "2026-11-02T08:00:00+08:00"}
    )
    late = CASE | {
        "event_id": "c0",
        "received_at": "2026-11-02T12:00:00Z",
        "accepted_at": "2026-11-01T08:00:00+08:00",
    }
    made = folded(book, portion_of(Stream.CASE, 0, CASE | said, newer, late))
    assert alike(hold_all(book, Key("A", 7)), made)
    newest = CASE | {"event_id": "c3", "received_at": "2026-11-05T00:00:00Z"}
    book.fold(portion_of(Stream.CASE, 3, newest, newer))
    back = hold_all(book, Key("A", 7))[Key("A", 7)]
    assert {entry.event_id for entry in back.cases} == {"c0", "c1", "c2", "c3"}
    (current,) = book.ask("select event_id, received_at, versions, disputed from service")
    assert current == ("c3", datetime(2026, 11, 2, 12, tzinfo=UTC), 4, False)
    versions = (
        "select event_id, event::text like '%received_at%' or event::text like '%failed%' from case_version"
    )
    assert sorted(book.ask(versions)) == [("c0", False), ("c1", False), ("c2", False)]


@pytest.fixture
def machine_in_the_county() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Shanghai")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("machine_in_the_county")
def test_a_version_is_the_same_whether_it_held_for_a_while_or_never(book: Ledger) -> None:  # noqa: F811
    """Also where its sender's clock, or the machine's, stands in another zone than the ledger."""
    at = "2026-11-02T08:00:00+08:00"
    older = CASE | {
        "served_at": at,
        "accepted_at": at,
        "promised_at": at,
        "failed_rules": ["material_missing"],
    }
    plain = {name: value for name, value in older.items() if name != "accepted_at"} | {"event_id": "c0"}
    newer = CASE | {"event_id": "c2", "received_at": "2026-11-04T00:00:00Z"}
    kept_as = []
    for order in ([older, plain, newer], [newer, plain, older]):
        book.clear()
        for n, event in enumerate(order):
            book.fold(portion_of(Stream.CASE, n, event))
        kept_as.append(book.ask("select event_id, event::text from case_version order by event_id"))
    assert kept_as[0] == kept_as[1]
    events = [json.loads(event) for _, event in kept_as[0]]
    assert [event.get("accepted_at") for event in events] == [None, "2026-11-02T00:00:00Z"]
    assert {event["served_at"] for event in events} == {"2026-11-02T00:00:00Z"}
    assert all({"received_at", "promised_at", "failed_rules"}.isdisjoint(event) for event in events)


def test_an_earlier_copy_of_a_review_without_a_case_takes_its_place(book: Ledger) -> None:  # noqa: F811
    late, early = (
        review(
            None,
            4,
            event_id="x",
            submitted_at="2026-11-02T01:00:00Z",
            received_at=f"2026-11-03T0{hour}:00:00Z",
        )
        for hour in (3, 2)
    )
    book.fold(portion_of(Stream.REVIEW, 0, late))
    again = portion_of(Stream.REVIEW, 1, early)
    made = folded(book, again)
    assert alike(hold_all(book, Key("", 1, "x"), arrivals=arrived(book, again)), made)


def test_an_earlier_copy_replaces_all_that_a_copy_can_change(book: Ledger) -> None:  # noqa: F811
    """It came by another way: with another identity, another digest of what was sent, and something odd about it."""
    book.fold(portion_of(Stream.REVIEW, 0, REVIEW, case("A")))
    copy = REVIEW | {"reviewer": {"phone": "2"}, "received_at": "2026-11-03T00:30:00Z"}
    made = folded(book, portion_of(Stream.REVIEW, 2, copy, REVIEW | {"received_at": now(days=-1)}))
    assert "received_in_future" in made[Key("A", 7)].reviews[0].flags
    assert alike(hold_all(book, Key("A", 7)), made)


def test_an_orphan_is_held_without_a_case(book: Ledger) -> None:  # noqa: F811
    made = folded(book, portion_of(Stream.REVIEW, 0, REVIEW))
    held = hold_all(book, Key("A", 7))
    assert alike(held, made)
    assert held[Key("A", 7)].cases == []
    nothing = (
        "item_code || item_name || dept_code || area_code || hall_code || window_code || staff_id || source"
    )
    row = book.ask(f"select placeholder, {nothing}, handling_mode, event_id, served_at, flags from service")
    assert row == [(True, "", "", None, None, [])], "no text of a case that nobody sent"


def test_a_review_without_a_case_is_held_by_its_event(book: Ledger) -> None:  # noqa: F811
    one, two, other = (review(None, level, event_id=e) for e, level in (("x", 2), ("x", 3), ("y", 4)))
    three = review(None, 5, event_id="x", service_no=9)
    all_of_them = portion_of(Stream.REVIEW, 0, one, two, other, three)
    made = folded(book, all_of_them)
    arrivals = arrived(book, all_of_them)
    keys = Key("", 1, "x"), Key("", 1, "y"), Key("", 9, "x")
    assert set(made) == set(keys)
    assert alike(hold_all(book, *keys, arrivals=arrivals), made)
    assert alike(hold_all(book, keys[1], arrivals=arrivals[2:3]), {keys[1]: made[keys[1]]})
    nobody = arrived(book, portion_of(Stream.REVIEW, 4, review(None, event_id="nobody")))
    assert hold_all(book, Key("", 1, "nobody"), arrivals=nobody) == {}


def test_of_bodies_with_one_event_id_two_are_held_at_most(book: Ledger) -> None:  # noqa: F811
    bodies = [review(None, 1 + n % 5, event_id="x", comment=str(n)) for n in range(9)]
    folded(book, portion_of(Stream.REVIEW, 0, *bodies))
    for again in (*bodies, review(None, event_id="x", comment="new")):
        arrivals = arrived(book, portion_of(Stream.REVIEW, 9, again))
        ((_, dossier),) = hold_all(book, Key("", 1, "x"), arrivals=arrivals).items()
        said = [entry.event.comment for entry in dossier.reviews]
        assert again["comment"] in said or (again["comment"] == "new" and len(said) == 1)
        assert len(said) <= 2


def test_only_what_was_asked_for_is_held(book: Ledger) -> None:  # noqa: F811
    """Of a case with many services: the others' rows lie between, with versions and reviews of their own."""
    events: list[dict[str, Any]] = []
    for n in (1, 2, 3):
        events += [CASE | {"service_no": n, "event_id": f"c{n}{v}"} for v in "ab"]
        events += [REVIEW | {"service_no": n, "event_id": f"r{n}"}]
    made = folded(book, portion_of(Stream.REVIEW, 0, *[e for e in events if "channel" in e]),
                  portion_of(Stream.CASE, 0, *[e for e in events if "channel" not in e]))  # fmt: skip
    for key in (Key("A", 3), Key("A", 2), Key("A", 1)):
        assert alike(hold_all(book, key), {key: made[key]})
    assert alike(hold_all(book, Key("A", 3), Key("B", 1), Key("A", 1), Key("", 1, "x")), {
        key: made[key] for key in (Key("A", 1), Key("A", 3))
    })  # fmt: skip


def test_reviews_are_looked_for_even_so_if_the_services_row_is_not_trusted(book: Ledger) -> None:  # noqa: F811
    book.fold(portion_of(Stream.CASE, 0, CASE), portion_of(Stream.REVIEW, 0, REVIEW))
    book.ask("update service set reviews = 0 returning 1")
    assert hold_all(book, Key("A", 7))[Key("A", 7)].reviews == []
    assert len(hold_all(book, Key("A", 7), trust_counts=False)[Key("A", 7)].reviews) == 1
