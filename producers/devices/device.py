"""A device (a terminal, or a department's system): who it is, for what it may speak, what it signs with."""

from datetime import datetime
from typing import Literal

import msgspec

Kind = Literal["terminal", "system"]
PLACE = ("dept_code", "hall_code", "window_code")
"""The fields of an event that a device may have set for itself; an empty one is any."""


class Key(msgspec.Struct, frozen=True):
    """One of its keys. `secret` is sealed about device and key id; `not_after` is set when another key follows."""

    key_id: str
    secret: str
    not_after: datetime | None = None


class Device(msgspec.Struct, frozen=True):
    """As the registry has it. `channels`: for which it may send reviews; none: cases only.

    `placeholders`: the numbers that it sends where a case has none, as `producers.placeholders.bare` gives them.
    `per_minute`: how many events it may send; None: as many as any other (`HCP_GATEWAY__DEVICE_PER_MINUTE`).
    `version_1_until`: until when it may sign with version 1, too; None: never. `version_2_seen_at`: when a device that may
    first signed with version 2.
    """

    device_id: str
    kind: Kind
    name: str = ""
    channels: tuple[str, ...] = ()
    dept_code: str = ""
    hall_code: str = ""
    window_code: str = ""
    revoked_at: datetime | None = None
    keys: tuple[Key, ...] = ()
    placeholders: tuple[str, ...] = ()
    per_minute: int | None = None
    version_1_until: datetime | None = None
    version_2_seen_at: datetime | None = None

    @property
    def source(self) -> str:
        """The CloudEvents source of what it sends."""
        return f"/{self.kind}/{self.device_id}"

    def takes_version_1(self, at: float) -> bool:
        """Whether version 1 of its signature counts then. `at`: Unix seconds."""
        return self.version_1_until is not None and at < self.version_1_until.timestamp()

    def key(self, key_id: str) -> Key | None:
        """This key of it, also one whose time is over."""
        return next((key for key in self.keys if key.key_id == key_id), None)
