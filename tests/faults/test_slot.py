"""A worker's slot, when its connection is lost, with a word or without one."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from deploy.embedded.postgres import Postgres
from pipeline.ledger.components import beat
from pipeline.ledger.engine import engine
from pipeline.ledger.failures import Stop
from pipeline.settings import Database, Settings
from pipeline.worker.slot import Slot
from tests.faults.proxy import Proxy
from tests.harness import System
from tests.wait import wait_for

pytestmark = pytest.mark.system


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[Proxy]:
    made = Proxy(postgres.port)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def behind(ledger: Settings, postgres: Postgres, proxy: Proxy) -> Iterator[Engine]:
    """The ledger as a worker behind the proxy sees it."""
    url = ledger.database.url.get_secret_value().replace(f":{postgres.port}/", f":{proxy.port}/")
    made = engine(Database.model_validate({"url": url}), "worker")
    yield made
    made.dispose()


def test_a_half_open_connection_does_not_cost_a_worker_its_slot(behind: Engine, proxy: Proxy) -> None:
    slot = Slot(behind, 1)
    proxy.vanish()
    with pytest.raises(DBAPIError):
        slot.keep()
    slot.keep()
    with pytest.raises(Stop, match="all 1 slots"):
        Slot(behind, 1)
    slot.close()


def test_a_slot_that_somebody_else_took_meanwhile_is_theirs(behind: Engine, proxy: Proxy) -> None:
    slot = Slot(behind, 1)
    proxy.cut()
    with pytest.raises(DBAPIError):
        slot.keep()
    proxy.heal()
    other = Slot(behind, 1)
    with pytest.raises(Stop, match="taken over"):
        slot.keep()
    other.close()


SELDOM = """
    from pipeline.worker import app
    app.HEARTBEAT_SECONDS = 60.0
"""
TWIN = """
    import asyncio
    app.Worker._rest = lambda self: asyncio.sleep(app.HEARTBEAT_SECONDS)
"""


def holder(system: System) -> int | None:
    """The server process whose session holds the first slot."""
    held = system.ask(
        "select pid from pg_locks l join pg_database d on d.oid = l.database"
        " where locktype = 'advisory' and classid = 6841200 and objid = 0 and granted and datname = current_database()"
    )
    return held[0][0] if held else None


def claims_again(system: System, code: str) -> bool:
    """Whether a worker claims its slot again within 5 s after its session was ended, though it beats once a minute."""
    with system.worker(SELDOM + code):
        before = wait_for(lambda: holder(system), 40, "the worker to claim a slot")
        wait_for(
            lambda: system.one("select count(*) from office.component where state = 'running'"),
            40,
            "its first beat",
        )
        system.one("select pg_terminate_backend(:pid, 5000)", pid=before)
        with suppress(AssertionError):
            return wait_for(lambda: holder(system), 5) != before
    return False


def test_a_worker_whose_session_was_ended_claims_its_slot_again_at_once(system: System) -> None:
    """Before another that starts just now takes it, and this one has to go and its partitions wait."""
    assert claims_again(system, "")


def test_a_worker_that_waits_for_its_next_beat_leaves_its_slot_open(system: System) -> None:
    """The broken twin."""
    assert not claims_again(system, TWIN)


def test_a_worker_that_was_killed_comes_back_under_the_slot_it_had(behind: Engine) -> None:
    """Its membership of the group lives on for ten seconds; the first free slot may be one that nobody has had."""
    with behind.begin() as connection:
        beat(connection, "worker-3", "running")
        beat(connection, "worker-9", "running")
    slot, other = Slot(behind, 5), Slot(behind, 5)
    assert (slot.number, other.number) == (3, 0)
    slot.close()
    with behind.begin() as connection:
        connection.execute(text("update office.component set at = at - interval '1 minute'"))
    late = Slot(behind, 5)
    assert late.number == 1
    for one in (other, late):
        one.close()
