"""PostgreSQL refuses to run as root: how it runs all the same when the stack does."""

import os
import pwd
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import StackError
from deploy.tether import tied

NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
"""In a user namespace root looks like user 1000 to PostgreSQL; the files stay root's, and no user is needed."""
ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True)
class Disguise:
    """How to run as somebody else: words before the command, and the `uid:gid` to become (`-`: stay)."""

    prefix: tuple[str, ...] = ()
    user: str = "-"

    def run(self, command: list[str], folder: Path, text: str = "") -> "subprocess.CompletedProcess[str]":
        """Run to the end, as the same one. Blocks."""
        words = tied([*self.prefix, *command], signal.SIGKILL, self.user)
        return subprocess.run(words, cwd=folder, input=text, capture_output=True, text=True, check=False)

    def own(self, folder: Path) -> None:
        """Give the folder and all in it to the account, if it is one."""
        if self.user != "-":
            subprocess.run(["chown", "-R", self.user, str(folder)], check=True)


def disguise(folder: Path, program: Path) -> Disguise:
    """How to run `program` on `folder`: as we are, unless we are root. The folder may change its owner.

    Raises StackError if there is no way.
    """
    if os.geteuid() != 0:
        return Disguise()
    return Disguise(NAMESPACE) if namespaces_work() else as_account(folder, program)


def namespaces_work() -> bool:
    """Some containers forbid user namespaces. Blocks for some milliseconds."""
    try:
        return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def as_account(folder: Path, program: Path) -> Disguise:
    """Become an unprivileged account of the system, which then owns the folder; ours lets it pass, not look.

    Raises StackError if that account cannot reach the folder or the program.
    """
    account = next(one for one in map(_account, ACCOUNTS) if one)
    found = Disguise(user=f"{account.pw_uid}:{account.pw_gid}")
    found.own(folder)
    folder.parent.chmod(folder.parent.stat().st_mode | 0o011)
    probe = ["sh", "-c", 'cd "$0" && test -w . && "$1" --version', str(folder.resolve()), str(program)]
    if found.run(probe, Path("/")).returncode != 0:
        raise StackError(
            f"PostgreSQL does not run as root, user namespaces are forbidden here, and the user {account.pw_name} "
            f"cannot reach {folder.resolve()} or {program}: run this as an ordinary user, or set "
            "HCP_STACK__DATA_DIR to a folder that every user can enter, or HCP_DATABASE__URL to a server of yours"
        )
    return found


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
