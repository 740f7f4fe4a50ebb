"""What only a look ahead at all rows shows: case numbers that strangers share, and services told of in different ways."""

from collections.abc import Iterable
from typing import NamedTuple

from producers.imports.mapping import Mapping

Key = tuple[str, ...]
STRANGERS = 3
"""Of so many different applications under one number not all are its own: one is, and one may be its correction."""


class Ahead(NamedTuple):
    """`shared`: case numbers that are none of a case's own. `repeated`: services (`Mapping.key`) with rows that differ."""

    shared: frozenset[str] = frozenset()
    repeated: frozenset[Key] = frozenset()


def look_ahead(mapping: Mapping, rows: Iterable[tuple[int, dict[str, str]]]) -> Ahead:
    """Read all rows, in memory about 200 bytes each.

    A number is shared if the same service is told of under it for more than two different applications (for reviews:
    objects, see STRANGERS). Those that the mapping calls placeholders are not among them: it knows them already.
    """
    applications, contents = _Different(STRANGERS), _Different(2)
    for _, row, ordinal in mapping.numbered(rows):
        number = mapping.case_no(row)
        if not number or mapping.is_placeholder(number):
            continue
        key = mapping.key(row, ordinal)
        applications.see(key, hash(mapping.application(row)))
        contents.see(key, hash(mapping.identity(row)))
    shared = frozenset(key[0] for key in applications.keys)
    return Ahead(shared, frozenset(key for key in contents.keys if key[0] not in shared))


class _Different:
    """`keys` are those under which so many different contents were seen."""

    def __init__(self, many: int) -> None:
        self.keys: set[Key] = set()
        self._many = many
        self._first: dict[Key, int] = {}
        self._others: dict[Key, set[int]] = {}

    def see(self, key: Key, content: int) -> None:
        if key in self.keys or self._first.setdefault(key, content) == content:
            return
        others = self._others.setdefault(key, set())
        others.add(content)
        if len(others) >= self._many - 1:
            self.keys.add(key)
