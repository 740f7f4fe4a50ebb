"""What callers get to know: how they were answered, and which events were taken."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

PROBLEM = "application/problem+json"


class Noted:
    """`taken`: how often each event id was taken anew, so many records there must be; `again`: said to be there already."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.taken: Counter[str] = Counter()
        self.again: set[str] = set()

    def note(self, status: int, media: str, body: bytes) -> None:
        """One answer. Raises AssertionError for a refusal that is no problem document, and for a problem that is no refusal."""
        assert (media == PROBLEM) == (status >= 400), (status, media)
        self.statuses[status] += 1
        if status in {202, 207}:
            document = json.loads(body)
            self._note_each(document.get("results", [document]))
        elif status >= 400:
            _refusal(status, json.loads(body))

    def _note_each(self, results: Iterable[dict[str, Any]]) -> None:
        for one in results:
            if (status := one.get("status", 202)) != 202:
                _refusal(status, one["problem"])
            elif one.get("seen_before"):
                self.again.add(one["event_id"])
            else:
                self.taken[one["event_id"]] += 1


def _refusal(status: int, problem: dict[str, Any]) -> None:
    assert problem["status"] == status >= 400, problem
    assert problem["type"].startswith("urn:hcp:problem:"), problem
    assert problem["title"], problem


def together(notes: Iterable[Noted]) -> Noted:
    """All of them as one."""
    whole = Noted()
    for one in notes:
        whole.statuses += one.statuses
        whole.taken += one.taken
        whole.again |= one.again
    return whole
