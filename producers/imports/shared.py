"""Senders that have one case number for many cases: which numbers are none of a case's own."""

from collections.abc import Iterable

from producers.imports.mapping import Mapping

MOST = 2
"""A number stands for one application, or for one that was corrected; three different ones are strangers to each other."""


def shared_numbers(mapping: Mapping, rows: Iterable[tuple[int, dict[str, str]]]) -> frozenset[str]:
    """The case numbers under which the same service is told of more than two different applications (for reviews: objects).

    Those that the mapping calls placeholders are not among them: it knows them already. Reads all rows, in memory about
    100 bytes each.
    """
    first: dict[tuple[str, ...], int] = {}
    others: dict[tuple[str, ...], set[int]] = {}
    shared = set()
    for _, row, ordinal in mapping.numbered(rows):
        number = mapping.case_no(row)
        if not number or number in shared or number in mapping.placeholders:
            continue
        key = (number, *mapping.service(row, ordinal))
        application = hash(tuple(row.get(column, "").strip() for column in mapping.apart))
        if first.setdefault(key, application) != application:
            others.setdefault(key, set()).add(application)
            if len(others[key]) >= MOST:
                shared.add(number)
    return frozenset(shared)
