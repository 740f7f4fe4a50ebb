"""Whose a service is, and which version's content holds: a function of all its versions (`contract.md`)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from pipeline.rules.records import Entry, Ownership, Place
from schemas.events import CaseEvent

Version = Entry[CaseEvent]


class Owner(NamedTuple):
    """A department, and the sender of its first version as our edge signed it; "" if nobody signed it."""

    dept_code: str
    sender: str

    def owns(self, version: Version) -> bool:
        """Whether this version is a correction by the owner. Two senders that nobody signed are not the same one."""
        return version.event.dept_code == self.dept_code or (
            self.sender != "" and version.sender == self.sender
        )


def least(versions: Iterable[Version]) -> Version:
    """The version received first; of copies of one event, the one that counts."""
    return min(versions, key=_with_place)


def owner_of(versions: Iterable[Version]) -> Owner:
    """The owner by these versions, of which there is at least one: the department of the least."""
    first = least(versions)
    return Owner(first.event.dept_code, first.sender)


def ownership(versions: Sequence[Version]) -> Ownership:
    """What holds of these versions. Nearly always there is one."""
    if len(versions) < 2:
        return Ownership(versions[0], versions[0].received_at, disputed=False) if versions else NOBODYS
    first = least(versions)
    owner = Owner(first.event.dept_code, first.sender)
    corrections = [version for version in versions if owner.owns(version)]
    return Ownership(
        max(corrections, key=_order), first.received_at, disputed=len(corrections) < len(versions)
    )


NOBODYS = Ownership(None, None, disputed=False)
"""Of a case that has not come."""


def _order(version: Version) -> tuple[datetime, str, str]:
    """A correction comes later than what it corrects."""
    return version.received_at, version.event_id, version.digest


def _with_place(version: Version) -> tuple[datetime, str, str, Place]:
    return version.received_at, version.event_id, version.digest, version.place
