"""What mutmut passes over: decorated classes and functions, such as our dataclasses' methods and defaults.

mutmut's own operators, one mutant at a time, in a copy of the tree. `make mutants` runs it after mutmut; it blocks for
minutes, prints each mutant that was not killed as a difference, and after each file how many met which fate.
"""

import difflib
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import libcst as cst
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import MutationVisitor, deep_replace
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import get_ignored_lines

ROOT = Path(__file__).parents[2]
TREES = ("schemas", "pipeline", "producers", "consumers", "deploy", "tests", "pyproject.toml")
TESTS = ("-x", "--hypothesis-profile=mutants", "-p", "tests.mutation.plugin", "tests/rules", "tests/schemas")
LIMIT_SECONDS = 60
"""The tests take four to ten: a mutant that takes longer has hung."""


class Decorated(MutationVisitor):  # type: ignore[misc]  # untyped here
    """Collects only the mutations that lie under a decorator, and none of the decorator itself."""

    depth = 0

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.ClassDef | cst.FunctionDef) and node.decorators:
            return False
        return isinstance(node, cst.Decorator) or bool(super()._skip_node_and_children(node))

    def on_visit(self, node: cst.CSTNode) -> bool:
        self.depth += _opens(node)
        return bool(super().on_visit(node))

    def on_leave(self, original_node: cst.CSTNode) -> None:
        self.depth -= _opens(original_node)
        super().on_leave(original_node)

    def _create_mutations(self, node: cst.CSTNode) -> None:
        if self.depth:
            super()._create_mutations(node)


def _opens(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.ClassDef | cst.FunctionDef) and bool(node.decorators)


def mutants(path: Path) -> Iterator[str]:
    """The file's text with one change, for each change; it is read once, at the first."""
    code = path.read_text(encoding="utf-8")
    wrapper = MetadataWrapper(cst.parse_module(code))
    visitor = Decorated(mutation_operators, get_ignored_lines(str(path), code, wrapper))
    module = wrapper.visit(visitor)
    for mutation in visitor.mutations:
        yield deep_replace(module, mutation.original_node, mutation.mutated_node).code


def fate(tree: Path) -> str:
    """`killed`, `survived`, or `hung`: what the tests say of this tree."""
    command = [sys.executable, "-B", "-m", "pytest", *TESTS]
    try:
        done = subprocess.run(command, cwd=tree, capture_output=True, timeout=LIMIT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return "hung"
    return "killed" if done.returncode else "survived"


def try_file(tree: Path, name: Path) -> Counter[str]:
    """How many mutants of this file met which fate."""
    target, fates = tree / name, Counter[str]()
    original = target.read_text(encoding="utf-8")
    for mutant in mutants(target):
        target.write_text(mutant, encoding="utf-8")
        fates[met := fate(tree)] += 1
        if met != "killed":
            lines = difflib.unified_diff(
                original.splitlines(), mutant.splitlines(), str(name), met, n=0, lineterm=""
            )
            print(*lines, sep="\n", flush=True)
    target.write_text(original, encoding="utf-8")
    return fates


def main() -> None:
    """The files named, or all of the rules. Exits with a message if the tests fail without a mutant."""
    with tempfile.TemporaryDirectory(prefix="hcp-mutants-") as folder:
        tree = Path(folder)
        for name in TREES:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, tree / name)
        if (met := fate(tree)) != "survived":
            sys.exit(f"the tests must pass before anything is changed: {met}")
        for file in sys.argv[1:] or sorted(
            str(p.relative_to(ROOT)) for p in ROOT.glob("pipeline/rules/*.py")
        ):
            print(file, dict(try_file(tree, Path(file))), flush=True)


if __name__ == "__main__":
    main()
