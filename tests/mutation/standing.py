"""One PostgreSQL for all mutants: each fork's tests find it where they would start their own."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg2

from deploy.embedded import postgres
from deploy.embedded.postgres import Postgres
from tests.wait import wait_for

PASSWORD = "only-for-mutants-7f3a"
CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
"""Each test makes a database and drops it: half of the time would go into files that nobody reads again."""


class Standing:
    """Stands for a server that a session starts: it runs already, and goes on afterwards."""

    def __init__(self, server: Postgres) -> None:
        self.url = server.url

    def start(self) -> None:
        """Without the databases of a fork that was killed: the next one gives its own the same names."""
        admin = psycopg2.connect(self.url.rsplit("/", 1)[0] + "/postgres")
        admin.autocommit = True
        with admin.cursor() as cursor:
            cursor.execute("select datname from pg_database")
            for (name,) in cursor.fetchall():
                if re.fullmatch(r"t\d+", name):
                    cursor.execute(f"drop database {name} with (force)")
        admin.close()

    def ready(self) -> bool:
        return True

    def stop(self) -> None:
        """It stays for the next fork."""


@contextmanager
def standing() -> Iterator[None]:
    """Within it, who starts a server gets the one that stands. Blocks until it answers."""
    with tempfile.TemporaryDirectory(prefix="hcp-mutants-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder), PASSWORD)
        with patch.dict(postgres._SETTINGS, CARELESS):
            server.start()
        wait_for(server.ready, 60, "PostgreSQL")

        def stands(*_: Any) -> Standing:
            return Standing(server)

        with patch.object(postgres, "Postgres", stands):
            yield
        server.stop()
