"""One key never costs more than another, and one partition's past never holds the others' present."""

import pytest

from schemas.topics import Stream
from tests.harness import DEPT, case, now, review
from tests.liveness.ground import Ground
from tests.liveness.promise import SECONDS
from tests.liveness.sizes import Sizes

pytestmark = pytest.mark.system
TICKETS_A_SECOND = 500
"""At least so many are rerouted: each is a row, a step of the ticket and a record of the log."""
LONG_AGO = "2019-03-04T05:06:07+08:00"


def test_many_bad_reviews_under_one_service(ground: Ground, sizes: Sizes) -> None:
    number = f"tablet-{id(ground)}"
    sent = ground.pour(Stream.REVIEW, 2, (review(number, 1) for _ in range(sizes.reviews)))
    ground.keep()
    tickets = "select count(*) from ticket where case_no = :no"
    ground.wait(
        lambda: ground.system.one(tickets, no=number) == sent,
        "a ticket for each of them",
        SECONDS + sent / TICKETS_A_SECOND,
    )
    assert dict(ground.system.ask("select reason, count(*) from dead_letter group by reason")) == {}


def test_many_versions_of_one_case(ground: Ground, sizes: Sizes) -> None:
    number = f"corrected-{id(ground)}"
    versions = (case(number, item_name=f"version {n}") for n in range(sizes.reviews))
    sent = ground.pour(Stream.CASE, 4, versions)
    ground.keep()
    kept = "select versions from service where case_no = :no"
    ground.wait(lambda: ground.system.ask(kept, no=number) == [(sent,)], "every version to be stored")
    assert dict(ground.system.ask("select reason, count(*) from dead_letter group by reason")) == {}


def test_a_case_that_comes_after_its_many_orphans(ground: Ground, sizes: Sizes) -> None:
    number = f"late-{id(ground)}"
    at_county = "select count(*) from ticket where case_no = :no and dept_code <> :dept"
    sent = ground.pour(Stream.REVIEW, 1, (review(number, 1) for _ in range(sizes.orphans)))
    ground.wait(
        lambda: ground.system.one(at_county, no=number, dept=DEPT) == sent,
        "the orphans' tickets",
        SECONDS + sent / TICKETS_A_SECOND,
    )
    ground.promise.hand_over(Stream.CASE, 3, [case(number)])
    ground.keep()
    ground.wait(
        lambda: ground.system.one(at_county, no=number, dept=DEPT) == 0,
        "every ticket to come to the case's department",
        SECONDS + sent / TICKETS_A_SECOND,
    )
    ground.keep()


def test_a_flood_of_the_past_on_one_partition(ground: Ground, sizes: Sizes) -> None:
    """Its times lie years behind those of the others, which alignment must not hold for it."""
    before = ground.folded()
    past = {"received_at": LONG_AGO, "submitted_at": LONG_AGO}
    events = (review(f"past-{id(ground)}-{n}", 5, **past) for n in range(sizes.flood))
    sent = ground.pour(Stream.REVIEW, 5, events, at_once=2_000)
    ground.keep(but=(Stream.REVIEW, 5))
    pairs = ground.promise.partitions() * 2
    ground.wait(
        lambda: ground.folded() == before + sent + pairs, "the flood to be folded", SECONDS + sent / 2_000
    )


def test_a_flood_of_the_future_on_one_partition(ground: Ground, sizes: Sizes) -> None:
    """The other way round: the others are the past, and the flood is ahead of them for good."""
    before = ground.folded()
    ahead = now(minutes=-5)
    events = (review(f"ahead-{id(ground)}-{n}", 5, received_at=ahead) for n in range(sizes.flood // 5))
    sent = ground.pour(Stream.REVIEW, 0, events, at_once=2_000)
    ground.keep()
    pairs = ground.promise.partitions() * 2
    ground.wait(
        lambda: ground.folded() == before + sent + pairs, "the flood to be folded", SECONDS + sent / 2_000
    )
