"""One stack and one worker for all tests of a module; a new one after a test that failed."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from deploy.embedded.kafka import Kafka
from deploy.embedded.postgres import Postgres
from tests.conftest import fresh_ledger, with_topics
from tests.liveness.ground import Ground
from tests.liveness.servers import collect_sockets
from tests.liveness.sizes import LONG, SHORT, Sizes


@pytest.fixture(scope="module", autouse=True)
def sockets_collected() -> Iterator[None]:
    """Sockets that kafka-python leaves open are nobody's warning in the module that comes next."""
    yield
    collect_sockets()


class Grounds:
    """Makes grounds; the last one is shared while it is whole."""

    def __init__(self, postgres: Postgres, kafka: Kafka, folders: pytest.TempPathFactory) -> None:
        self._postgres, self._kafka, self._folders = postgres, kafka, folders
        self._stack = ExitStack()
        self._shared: Ground | None = None

    def whole(self) -> Ground:
        """One on which the promise holds. Blocks until its worker folds."""
        if self._shared is None or self._shared.spoiled:
            self.close()
            self._shared = self.make(self._stack)
            self._shared.start()
        return self._shared

    def make(self, stack: ExitStack, code: str = "") -> Ground:
        """One of its own, not started yet, which ends with `stack`."""
        settings = stack.enter_context(fresh_ledger(self._postgres))
        ground = Ground(with_topics(settings, self._kafka), self._folders.mktemp("ground"), code)
        stack.callback(ground.close)
        return ground

    def close(self) -> None:
        """End the shared one."""
        self._shared = None
        self._stack.close()


@pytest.fixture(scope="module")
def grounds(postgres: Postgres, kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grounds]:
    made = Grounds(postgres, kafka, tmp_path_factory)
    yield made
    made.close()


@pytest.fixture
def ground(grounds: Grounds, request: pytest.FixtureRequest) -> Iterator[Ground]:
    """The shared one; a test that fails may have left a topic deleted, so the next one gets another."""
    failed = request.session.testsfailed
    whole = grounds.whole()
    yield whole
    whole.spoiled = whole.spoiled or request.session.testsfailed > failed


@pytest.fixture(scope="session")
def sizes(request: pytest.FixtureRequest) -> Sizes:
    """The long form's, if `python -m tests.liveness` runs this."""
    return LONG if request.config.pluginmanager.hasplugin("tests.liveness.long") else SHORT
