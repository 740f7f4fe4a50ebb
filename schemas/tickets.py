"""The states of a ticket (差评工单; `domain.md`, 5), with their Chinese names."""

from enum import StrEnum


class State(StrEnum):
    """Where a ticket stands."""

    NEW = "new"
    VERIFYING = "verifying"
    APPEALING = "appealing"
    DISMISSED = "dismissed"
    RECTIFYING = "rectifying"
    REVIEWING = "reviewing"
    CALLING_BACK = "calling_back"
    CLOSED = "closed"

    @property
    def label(self) -> str:
        """The Chinese name, for people."""
        return _LABELS[self]


_LABELS = {
    State.NEW: "待签收",
    State.VERIFYING: "待核实",
    State.APPEALING: "申诉待审",
    State.DISMISSED: "申诉成立",
    State.RECTIFYING: "整改中",
    State.REVIEWING: "待审核",
    State.CALLING_BACK: "待回访",
    State.CLOSED: "办结",
}

CLOSED = frozenset({State.DISMISSED.value, State.CLOSED.value})
"""The states in which nothing is left to do."""
