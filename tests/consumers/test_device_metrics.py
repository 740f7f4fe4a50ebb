"""From a device's broken chain to `/metrics`: folded, scraped, mended, and said no more."""

import re
from collections.abc import Iterator

import pytest

from consumers.exporter import create
from pipeline.ledger.device_list import Need
from pipeline.settings import Settings
from schemas.topics import Stream
from tests.consumers.client import Client
from tests.consumers.filling import counted, register
from tests.harness import now
from tests.ledger.test_fold import Ledger, portion_of

pytestmark = pytest.mark.system

DEVICE = "T-A01"
Told = tuple[int, int, int, str]


@pytest.fixture
def made(stack: Settings) -> Iterator[Ledger]:
    """A ledger that knows one device and none of its events."""
    one = Ledger(stack)
    one.clear()
    register(stack, DEVICE, "terminal")
    yield one
    one.connection.close()
    one.pool.dispose()


def scraped(made: Ledger) -> Told:
    """Numbers missing, numbers used twice, events that do not name the one before; what the only device asks for."""
    text = Client(create(made.settings)).get("/metrics").text
    faults = labelled(text, "hcp_device_chain_faults")
    (need,) = [name for name, count in labelled(text, "hcp_devices").items() if count]
    assert DEVICE not in text
    return faults["missing"], faults["forked"], faults["unlinked"], need


def labelled(text: str, metric: str) -> dict[str, int]:
    return {
        label: int(float(n))
        for label, n in re.findall(rf'^{metric}{{\w+="(\w+)"}} (\S+)$', text, re.MULTILINE)
    }


def test_a_hole_and_a_fork_are_in_the_metrics_until_they_are_seen_to(made: Ledger) -> None:
    first, second, third, fourth, fifth = counted(DEVICE, 1, 2, 3, 4, 5, at=now(minutes=1))
    copied = second | {"event_id": "from-a-copy-of-the-device"}
    made.fold(portion_of(Stream.REVIEW, 0, first, second, third))
    assert scraped(made) == (0, 0, 0, Need.NOTHING.label)
    made.fold(portion_of(Stream.REVIEW, 3, fifth))
    assert scraped(made) == (1, 0, 0, Need.MISSING.label)
    made.fold(portion_of(Stream.REVIEW, 4, copied))
    assert scraped(made) == (1, 1, 0, Need.BROKEN.label)
    made.fold(portion_of(Stream.REVIEW, 5, fourth))
    assert scraped(made) == (0, 1, 0, Need.BROKEN.label), "what was sent twice stays so"
    made.ask("update office.device set revoked_at = now() returning 1")
    assert scraped(made) == (0, 0, 0, Need.REVOKED.label)


def test_a_hole_that_is_filled_leaves_nothing(made: Ledger) -> None:
    first, second, third = counted(DEVICE, 1, 2, 3, at=now(minutes=1))
    made.fold(portion_of(Stream.REVIEW, 0, first, third))
    assert scraped(made) == (1, 0, 0, Need.MISSING.label)
    made.fold(portion_of(Stream.REVIEW, 2, second))
    assert scraped(made) == (0, 0, 0, Need.NOTHING.label)


def test_an_event_that_was_changed_on_the_way_is_in_the_metrics(made: Ledger) -> None:
    first, second = counted(DEVICE, 1, 2, at=now(minutes=1))
    made.fold(portion_of(Stream.REVIEW, 0, first | {"satisfaction": 4}, second))
    assert scraped(made) == (0, 0, 1, Need.BROKEN.label)
