"""Folding what a source gives, with the live worker's own fold, into the schema of a replay."""

import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator
from typing import cast

import psycopg2
from psycopg2.extensions import connection as Connection
from sqlalchemy import Engine

from pipeline.ledger.copying import insert
from pipeline.ledger.decode import Decoded
from pipeline.ledger.engine import transaction
from pipeline.ledger.failures import Failure, Stop, classify
from pipeline.ledger.fold import Folder
from pipeline.ledger.portion import Portion
from pipeline.ledger.positions import advance, lock
from pipeline.ledger.tables import log_gap
from pipeline.replay import fresh
from pipeline.replay.source import Gap, Piece, Source
from pipeline.replay.spans import Span
from pipeline.rules.records import Fate

log = logging.getLogger(__name__)

BATCH_RECORDS = 8_000
TRIES = 20
"""Two processes that meet at one service's row need one more try; 20 in a row are no meeting."""


def fold(
    source: Source,
    replayed: Engine,
    folder: Folder,
    spans: Iterable[Span],
    still: Callable[[], None] = lambda: None,
) -> None:
    """Fold what is left of these spans, round by round. `still` is called before each batch and may raise to end it.

    Blocks. Raises Stop with a sentence; what is folded by then stays, and folding again goes on behind it.
    """
    todo = list(spans)
    for round_ in sorted({span.round for span in todo}):
        with transaction(replayed) as cursor:
            left = fresh.begin(cursor, [span for span in todo if span.round == round_])
        round_of = {(span.topic, span.partition): span for span in left}
        for batch in batches(source.pieces(left)):
            still()
            if isinstance(batch, Gap):
                _skip(replayed, batch)
            else:
                left_out = [
                    source.stepped_over(portion, round_of[portion.topic, portion.partition])
                    for portion in batch
                ]
                decoded = [folder.decode(p, out) for p, out in zip(batch, left_out, strict=True)]
                _fold(replayed, folder, decoded)


def batches(pieces: Iterable[Piece]) -> Iterator[list[Portion] | Gap]:
    """Portions in batches of about `BATCH_RECORDS`; a gap stands alone."""
    batch: list[Portion] = []
    for piece in pieces:
        if isinstance(piece, Portion):
            batch.append(piece)
        if batch and (isinstance(piece, Gap) or sum(len(one.records) for one in batch) >= BATCH_RECORDS):
            yield batch
            batch = []
        if isinstance(piece, Gap):
            yield piece
    if batch:
        yield batch


def _fold(replayed: Engine, folder: Folder, decoded: list[Decoded]) -> None:
    borrowed = replayed.raw_connection()
    try:
        for _ in range(TRIES):
            try:
                folded = folder.fold(cast(Connection, borrowed.driver_connection), decoded)
            except psycopg2.Error as error:
                if classify(error) is not Failure.RETRY_NOW:
                    raise
                log.warning("fold_failed", extra={"cause": error.pgcode})
                time.sleep(random.uniform(0.01, 0.05))
                continue
            if folded.seeks:
                raise Stop(f"another process folds into this replay: it stands at {folded.seeks}")
            return
        raise Stop("two processes of the replay stand in each other's way: go on with `hcp replay resume`")
    finally:
        borrowed.close()


def _skip(replayed: Engine, gap: Gap) -> None:
    """What the log lost then is lost now."""
    at = gap.span.topic, gap.span.partition
    with transaction(replayed) as cursor:
        position = lock(cursor, [at])[at]
        row = {"topic": at[0], "partition": at[1], "topic_id": gap.span.topic_id}
        insert(cursor, log_gap, [row | {"from_offset": gap.start, "to_offset": gap.end}])
        advance(cursor, position, gap.end, dict.fromkeys(Fate, 0))
