"""A worker's slot, when its connection is lost without a word."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from deploy.embedded.postgres import Postgres
from pipeline.ledger.engine import engine
from pipeline.ledger.failures import Stop
from pipeline.settings import Database, Settings
from pipeline.worker.slot import Slot
from tests.faults.proxy import Proxy

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
