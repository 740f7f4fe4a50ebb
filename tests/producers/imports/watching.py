"""A watcher as a process of its own, with a log that takes everything: `python -m tests.producers.imports.watching FOLDER STATE`.

Prints, as JSON, what became of each file and how much memory it took at most, in MB.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from pipeline.settings import Settings
from producers.imports.known import load
from producers.imports.watch import Watch, importer


class Sink:
    """Takes everything; connects to itself."""

    def send(self, event: Any, source: str) -> None:
        """Gone."""

    def flush(self) -> None:
        """Always safe."""

    def __call__(self, _: Settings) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to close."""


def peak_mb() -> int:
    """The most memory that this process has held. `ru_maxrss` counts the parent's, too, as it was at the fork."""
    (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1]) // 1024


def watched(folder: Path, state: Path) -> Iterator[dict[str, Any]]:
    """Each file: its name as bytes in hex, where it lies now, what is said for the screen."""
    settings = Settings.model_validate({"stack": {"data_dir": state}})
    time = [0.0]
    run = importer(settings, load("department-excel"), "department-excel", Sink())
    watch = Watch(folder, run, 1, clock=lambda: time[0])
    for now in (0, 1):
        time[0] = now
        for taken in watch.look():
            place = taken.place and os.fsencode(taken.place.relative_to(folder)).hex()
            yield {"name": os.fsencode(taken.name).hex(), "place": place, "lines": taken.lines()}


if __name__ == "__main__":
    taken = list(watched(Path(sys.argv[1]), Path(sys.argv[2])))
    print(json.dumps({"taken": taken, "peak_mb": peak_mb()}))
