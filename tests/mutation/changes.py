"""Mutants of a file, made by mutmut's own operators: of all of it, or only of what mutmut itself passes over."""

from collections.abc import Iterator
from pathlib import Path

import libcst as cst
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import MutationVisitor, deep_replace
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import get_ignored_lines


class Whole(MutationVisitor):  # type: ignore[misc]  # untyped here
    """Collects every mutation, decorated code and constants of the module among them; none of a decorator itself."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if _opens(node):
            return False
        return isinstance(node, cst.Decorator) or bool(super()._skip_node_and_children(node))


class Decorated(Whole):
    """Collects only the mutations that lie under a decorator, such as our dataclasses' methods and defaults."""

    depth = 0

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


def mutants(path: Path, which: type[Whole]) -> Iterator[str]:
    """The file's text with one change, for each change; it is read once, at the first."""
    code = path.read_text(encoding="utf-8")
    wrapper = MetadataWrapper(cst.parse_module(code))
    visitor = which(mutation_operators, get_ignored_lines(str(path), code, wrapper))
    module = wrapper.visit(visitor)
    for mutation in visitor.mutations:
        yield deep_replace(module, mutation.original_node, mutation.mutated_node).code
