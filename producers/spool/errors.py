"""Why a spool did not do what it was asked: refuse now, try later, stop."""

from producers.errors import InputError

RETRY_AFTER_SECONDS = 30


class SpoolTaken(InputError):
    """Another process has this folder."""


class SpoolDamaged(InputError):
    """The files are damaged, and cannot be mended without a person."""


class SpoolError(Exception):
    """Nothing was stored."""


class SpoolFull(SpoolError):
    """No room, by the bound or on the disk. Nothing was stored; the same again later is right."""

    def __init__(self, why: str, retry_after: int = RETRY_AFTER_SECONDS) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class SpoolBroken(SpoolError):
    """The disk failed, or the spool is closed: it takes nothing until it is opened again."""


class NonceUsed(SpoolError):
    """A request that was made before."""

    def __init__(self) -> None:
        super().__init__("this nonce was used before")


class AlreadyUsed(SpoolError):
    """What may be used once was used by another event."""

    def __init__(self, event_id: str) -> None:
        super().__init__("another event has used this")
        self.event_id = event_id
