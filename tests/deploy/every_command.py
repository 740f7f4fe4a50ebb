"""Types each `hcp` command once, for tests/deploy/test_mistakes.py; prints what came of each as a line of JSON.

Run as a script in a folder, with the seconds that a command that serves may run. Each command runs in a fork of this
process, which has imported everything already: forty commands in seconds.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import pipeline.ledger.migrate
import pipeline.replay.run  # noqa: F401  imported before the forks, as the two above
from deploy.cli import app, main

SECONDS = 15
SERVING = {"gateway", "desk", "exporter", "worker", "import watch", "terminal run"}
"""These run until they are told to stop, and may wait for a server that is away."""
WORDS: dict[str, list[str]] = {
    "case show": ["MX-1", "1"],
    "erase": ["MX-1", "--why", "a test", "--yes"],
    "case decide": ["MX-1", "1", "--department", "610326", "--why", "a test"],
    "positions adopt": ["hcp.case.v1", "--yes"],
    "positions skip": ["hcp.case.v1/0/0", "--why", "a test"],
    "outbox retry": ["--all"],
    "seal destroy": ["2026-01", "--why", "a test", "--yes"],
    "device placeholders": ["desk-1", "000000"],
    "replay resume": ["replay_1"],
    "replay diff": ["replay_1"],
    "replay accept": ["replay_1", "--why", "a defect"],
    "replay drop": ["replay_1"],
    "import cases": ["rows.csv", "--source", "municipal-permit"],
    "import reviews": ["rows.csv", "--source", "reviews-by-service"],
    "import watch": ["in", "--source", "municipal-permit"],
    "import database": [
        "--url", "postgresql://hcp@127.0.0.1:1/hcp", "--query-file", "query.sql", "--cursor", "id",
        "--source", "municipal-permit",
    ],
    "import paper template": ["--hall", "hall", "--out", "out.xlsx"],
    "import paper keyed": ["rows.csv", "rows.csv"],
    "dlq show": ["hcp.case.v1/0/1"],
    "dlq retry": ["--reason", "not_json", "--all-of-filter"],
    "dlq edit": ["hcp.case.v1/0/1"],
    "dlq discard": ["--reason", "not_json", "--all-of-filter", "--why", "a test"],
    "device add": ["desk-1", "--kind", "system", "--any-department"],
    "device rate": ["desk-1", "600"],
    "device rotate": ["desk-1"],
    "device revoke": ["desk-1"],
    "device version-1": ["desk-1"],
    "spool resend": ["--hours", "1"],
    "seal-forward": ["--from", "county.reviews", "--once"],
    "terminal review": ["--satisfaction", "5"],
    "token qr": ["window", "W1"],
    "token sheet": ["windows.csv", "--hall", "hall", "--name", "a hall"],
}  # fmt: skip
"""What commands with arguments are given."""


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The names of all commands; also of those with commands of their own, like `hcp replay`."""
    for name, one in getattr(command, "commands", {}).items():
        yield from leaves(one, (*path, name))
    if getattr(command, "invoke_without_command", True):
        yield " ".join(path)


def typed(names: list[str], seconds: float) -> Iterator[dict[str, Any]]:
    """What came of these commands, begun at once: exit code (None: it had to be stopped after so long), and what it said."""
    began = time.monotonic()
    children = {name: _begun(name) for name in names}
    codes: dict[str, int | None] = {}
    while len(codes) < len(names) and time.monotonic() - began < seconds:
        for name in children.keys() - codes.keys():
            done, code = os.waitpid(children[name], os.WNOHANG)
            if done:
                codes[name] = os.waitstatus_to_exitcode(code)
        time.sleep(0.01)
    for name in children.keys() - codes.keys():
        os.kill(children[name], signal.SIGKILL)
        os.waitpid(children[name], 0)
        codes[name] = None
    for name in names:
        yield {"name": name, "code": codes[name], "said": _out(name).read_text()}


def _begun(name: str) -> int:
    child = os.fork()
    if child == 0:
        _be_the_command([*name.split(), *WORDS.get(name, [])], _out(name))
    return child


def _out(name: str) -> Path:
    return Path(f"said-{name.replace(' ', '-')}")


def _be_the_command(words: list[str], out: Path) -> None:
    os.setsid()
    file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for standard in (1, 2):
        os.dup2(file, standard)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["hcp", *words]
    code = 1
    try:
        main()
        code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        else:
            code = end.code or 0
    except BaseException:  # noqa: BLE001  what it would have printed
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serving = float(sys.argv[1])
    wanted = set(leaves(typer.main.get_command(app))) - {
        "up"
    }  # that starts a stack: tests/system/test_stack.py
    groups = [[name] for name in sorted(wanted - SERVING)]
    for group, most in [(sorted(SERVING), serving), *((group, SECONDS) for group in groups)]:
        for came in typed(group, most):
            print(json.dumps(came), flush=True)
