"""Broken twins: each takes one guard out of the worker, and the promise must break. The code runs before the worker starts.

A twin that keeps the promise proves that its code takes nothing away, or that the test looks at nothing.
"""

from collections.abc import Callable
from typing import NamedTuple

from schemas.topics import Stream
from tests.liveness.failing import event
from tests.liveness.ground import Ground
from tests.liveness.odd import ODD

HEADER_NAMES = """
    from pipeline.worker import fetching
    fetching.install = lambda: None
"""
ISOLATION = """
    from pipeline.worker.folding import Folding
    async def whole(self, batch):
        await self._done(batch, await self._attempts.fold(batch))
    Folding._fold_batch = whole
"""
PARTITION = (Stream.REVIEW, 3)
"""Where the strike lands; the promise is asked of all others."""
REFUSED = "refused-by-the-test"
"""A case whose rows the database refuses while a twin runs."""


class Twin(NamedTuple):
    """What is missing, the code that takes it out, and the record that shows it."""

    without: str
    code: str
    strike: Callable[[Ground], object]


def _odd(name: str) -> Callable[[Ground], object]:
    return lambda ground: ground.send(*PARTITION, ODD[name])


def _refused(ground: Ground) -> object:
    return ground.promise.hand_over(*PARTITION, [event(PARTITION[0], REFUSED)])


TWINS: dict[str, Twin] = {
    "header-names": Twin("the guard around header names", HEADER_NAMES, _odd("header-name-not-utf8")),
    "isolation": Twin("the isolation of a partition that fails of itself", ISOLATION, _refused),
}
