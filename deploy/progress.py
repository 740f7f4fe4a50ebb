"""How far the player is, as it says in its log: JSON lines with `event` = `progress`."""

import json
from pathlib import Path
from typing import NamedTuple

from deploy.child import log_end


class Progress(NamedTuple):
    """`done` of `total` records; `note` is for people, in the player's words."""

    done: int
    total: int
    note: str


def progress(log: Path) -> Progress | None:
    """The last one in this log; None if there is none yet."""
    return next((said for line in reversed(log_end(log)) if (said := _read(line))), None)


def _read(line: str) -> Progress | None:
    try:
        said = json.loads(line)
    except ValueError:
        return None  # a line of its log that is no progress
    if not isinstance(said, dict) or said.get("event") != "progress":
        return None
    return Progress(int(said.get("done", 0)), int(said.get("total", 0)), str(said.get("note", "")))
