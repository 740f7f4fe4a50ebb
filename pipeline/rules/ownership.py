"""Whose a service is, and which version's content holds: a function of all its versions and of what persons decided
(`contract.md`).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from pipeline.rules.records import AnyEntry, Entry, Ownership, Place
from schemas.events import CaseEvent, DecisionEvent

Version = Entry[CaseEvent]
Decision = Entry[DecisionEvent]


class Owner(NamedTuple):
    """A department, and the sender of its first version as our edge signed it; "" if nobody signed it.

    `decided`: a person said so. Then the department's versions alone are its corrections, whoever sent them.
    """

    dept_code: str
    sender: str
    decided: bool = False

    def owns(self, version: Version) -> bool:
        """Whether this version is a correction by the owner. Two senders that nobody signed are not the same one."""
        return version.event.dept_code == self.dept_code or (
            not self.decided and self.sender != "" and version.sender == self.sender
        )


def least(versions: Iterable[Version]) -> Version:
    """The version received first; of copies of one event, the one that counts."""
    return min(versions, key=_with_place)


def owner_of(versions: Iterable[Version], decisions: Sequence[Decision] = ()) -> Owner:
    """The owner by these versions, of which there is at least one: the department that a person decided for, else that of the
    least. A decision holds from the first version of its department on.
    """
    chosen = _chosen(versions, decisions) if decisions else []
    first = least(chosen or versions)
    return Owner(first.event.dept_code, first.sender, decided=bool(chosen))


def ownership(versions: Sequence[Version], decisions: Sequence[Decision] = ()) -> Ownership:
    """What holds of these versions. Nearly always there is one. A service is disputed until a person has decided."""
    if len(versions) < 2:
        return Ownership(versions[0], versions[0].received_at, disputed=False) if versions else NOBODYS
    owner = owner_of(versions, decisions)
    corrections = [version for version in versions if owner.owns(version)]
    disputed = not owner.decided and len(corrections) < len(versions)
    return Ownership(max(corrections, key=_order), least(versions).received_at, disputed)


NOBODYS = Ownership(None, None, disputed=False)
"""Of a case that has not come."""


def _chosen(versions: Iterable[Version], decisions: Iterable[Decision]) -> list[Version]:
    """Those of the department that the last decision is for."""
    dept_code = max(decisions, key=_order).event.dept_code
    return [version for version in versions if version.event.dept_code == dept_code]


def _order(entry: AnyEntry) -> tuple[datetime, str, str]:
    """A correction comes later than what it corrects, and so does a decision."""
    return entry.received_at, entry.event_id, entry.digest


def _with_place(version: Version) -> tuple[datetime, str, str, Place]:
    return version.received_at, version.event_id, version.digest, version.place
