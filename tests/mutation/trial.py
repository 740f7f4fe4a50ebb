"""Tries mutants one after another in a copy of the tree, each in a fork of a process that has loaded what is not ours."""

import compileall
import difflib
import importlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from tests.mutation.changes import Whole, mutants

ROOT = Path(__file__).parents[2]
TREES = ("schemas", "pipeline", "producers", "consumers", "deploy", "tests", "pyproject.toml")
PLUGINS = ("tests.mutation.plugin", "no:cacheprovider", "no:schemathesis", "no:xdist")
OPTIONS = ("-x", "--hypothesis-profile=mutants", *(word for plugin in PLUGINS for word in ("-p", plugin)))
PRELOADED = ("alembic.command", "kafka", "psycopg2", "pydantic_settings", "sqlalchemy.dialects.postgresql")
"""What a fork need not load again; none of it loads anything of ours."""
SLOWER, MORE_SECONDS = 5, 30
"""A mutant that takes so much longer than no mutant has hung: the machine may be busy with other work."""
_fork = multiprocessing.get_context("fork")


class Trial:
    """A copy of the tree, and the tests that decide."""

    def __init__(self, tree: Path, tests: Sequence[str]) -> None:
        """Tries no mutant first. Exits with a message if the tests fail even so."""
        self._tree, self._tests = tree, tests
        self._limit: float | None = None
        begun = time.monotonic()
        if self.fate() != "survived":
            sys.exit(f"the tests must pass before anything is changed: {' '.join(tests)}")
        self._limit = MORE_SECONDS + SLOWER * (time.monotonic() - begun)

    def fate(self) -> str:
        """`killed`, `survived`, or `hung`: what the tests say of the tree as it is. Blocks."""
        child = _fork.Process(target=_run, args=(self._tree, self._tests, self._limit is not None))
        child.start()
        child.join(self._limit)
        if child.exitcode is None:
            child.kill()
            child.join()
            return "hung"
        return "killed" if child.exitcode else "survived"

    def file(self, name: str, which: type[Whole]) -> Counter[str]:
        """How many mutants of this file met which fate. Prints those that were not killed as differences."""
        target, fates = self._tree / name, Counter[str]()
        original = target.read_text(encoding="utf-8")
        Path(cache_from_source(str(target))).unlink(
            missing_ok=True
        )  # a mutant may be as long, and of one second
        for mutant in mutants(target, which):
            target.write_text(mutant, encoding="utf-8")
            fates[met := self.fate()] += 1
            if met != "killed":
                _show(name, original, mutant, met)
        target.write_text(original, encoding="utf-8")
        return fates


def _run(tree: Path, tests: Sequence[str], mutated: bool) -> None:
    """In the fork: the tests, silently; the process ends with what they say."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    sys.path.insert(0, str(tree))
    os.chdir(tree)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    sys.dont_write_bytecode = mutated
    os._exit(pytest.main([*OPTIONS, *tests]))


def _show(name: str, original: str, mutant: str, met: str) -> None:
    lines = difflib.unified_diff(original.splitlines(), mutant.splitlines(), name, met, n=0, lineterm="")
    print(*lines, sep="\n", flush=True)


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of what the tests need, compiled, so that each fork reads only the mutant's source."""
    for name in PRELOADED:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="hcp-mutants-") as folder:
        tree = Path(folder)
        for name in TREES:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, tree / name)
        compileall.compile_dir(tree, quiet=1)
        yield tree
