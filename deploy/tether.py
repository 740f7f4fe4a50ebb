"""Ties a process to the life of its parent; run as a script: `tether.py PARENT SIGNAL USER COMMAND…`.

The kernel sends SIGNAL to the process when the thread that started it ends, however it ends: start it from a thread
that lives as long as the supervisor. USER is `uid:gid` to become first, or `-`. Linux only; standard library only.
"""

import ctypes
import os
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def tied(command: Sequence[str], signal_number: int, user: str = "-") -> list[str]:
    """The command, tied to the life of this process."""
    python = [sys.executable, "-I", "-S", __file__]
    return [*python, str(os.getpid()), str(int(signal_number)), user, *command]


def main() -> None:
    """1. Become USER (that clears the tie). 2. Tie. 3. Look whether the parent died meanwhile. 4. Become COMMAND."""
    parent, signal_number, user, *command = sys.argv[1:]
    if user != "-":
        uid, gid = map(int, user.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal_number)) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent):
        sys.exit("the parent is gone")
    os.execvp(command[0], command)  # noqa: S606  to replace this process is the point


if __name__ == "__main__":
    main()
