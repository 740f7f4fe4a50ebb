"""The way of what a gateway took, to its end: the log, the worker, the ledger; and whether each of it is there, once."""

from collections import Counter
from pathlib import Path

from pipeline.ledger.raw import unpack
from pipeline.ledger.verify import verify
from pipeline.settings import Settings
from producers.spool.forwarder import Forwarder
from producers.spool.kafka_sink import KafkaSink
from tests.harness import System
from tests.producers.gateway.house import UNLIMITED, House
from tests.producers.gateway.noted import Noted
from tests.wait import wait_for

EVENT_IDS = (
    "select event_id from review union select event_id from service union select event_id from case_version"
)


def open_to_all(settings: Settings, folder: Path) -> House:
    """A gateway without limits, its spool in `folder`, before these servers."""
    settings.gateway = settings.gateway.model_copy(update=UNLIMITED | {"spool_dir": folder})
    return House(settings)


def fold(system: System, gateway: House, seconds: float = 60) -> None:
    """Send on what waits in the spool, and have a worker fold it. Blocks."""
    spool = gateway.way_in.spool
    forwarder = Forwarder(spool, KafkaSink(system.settings.kafka, system.edge))
    forwarder.start()
    wait_for(lambda: not spool.pending(1), seconds, "Kafka to have everything")
    assert forwarder.stop()
    with system.worker():
        system.wait_until_caught_up(seconds)


def wrong(system: System, noted: Noted) -> list[str]:
    """What of the accepted events is not in the ledger as it must be: each there once, none a dead letter."""
    found, fates, said = in_ledger(system), system.fates(), []
    if lost := noted.taken - found:
        said.append(f"{len(lost)} lost: {_some(lost)}")
    if more := found - noted.taken:
        said.append(f"{len(more)} more often than taken: {_some(more)}")
    if unheard := noted.again - noted.taken.keys():
        said.append(f"{len(unheard)} were said to be there, and are not: {sorted(unheard)[:5]}")
    if without := noted.taken.keys() - {event_id for (event_id,) in system.ask(EVENT_IDS)}:
        said.append(f"{len(without)} are neither a review nor a case: {sorted(without)[:5]}")
    if bad := fates.keys() - {"stored", "duplicate", "conflict"}:
        said.append(f"{', '.join(sorted(bad))} among the fates: {fates}")
    return said + [str(finding) for finding in verify(system.settings)]


def in_ledger(system: System) -> Counter[str]:
    """How often each event id stands in the raw records; of a dead letter nothing is in clear, its fate tells of it."""
    return Counter(
        dict(record.headers)["ce_id"].decode()  # type: ignore[union-attr]  # the gateway gives each its id
        for (block,) in system.ask("select data from raw_block")
        for record in unpack(bytes(block))
        if not record.refused
    )


def _some(ids: Counter[str]) -> list[tuple[str, int]]:
    return sorted(ids.items())[:5]
