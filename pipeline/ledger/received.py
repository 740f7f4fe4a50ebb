"""Which time of receipt counts: one that our edge signed, else the log's. From when on: `office.epoch`.

Records that the log took before that moment count as they always did, or a replay of an old ledger would give another one.
"""

from datetime import datetime
from typing import NamedTuple

from psycopg2.errors import UndefinedTable
from sqlalchemy import Engine

from pipeline.edge import Vouched
from pipeline.ledger.engine import transaction
from pipeline.ledger.failures import Stop
from schemas.reading import IN_FUTURE

CLAIMED = "received_claimed"
"""Flags a record with a time of receipt that nobody of ours has signed and that does not count."""
REFUSED = "edge_refused"
"""Flags a record whose header `hcp_edge` was not made for it."""
EDGE_SIGNATURE = "edge_signature"


class Counted(NamedTuple):
    """What counts of a record. `received_at` None: the log's time. `sender`: as our edge authenticated it, else empty."""

    received_at: datetime | None
    sender: str
    flags: tuple[str, ...]


def judge(
    vouched: Vouched | None,
    claim: datetime | None,
    own_claim: datetime | None,
    appended_at: datetime,
    *,
    signed: bool,
) -> Counted:
    """What counts of a record that the log took when claims needed a signature already.

    `vouched`: what its signature says, None if it has no valid one; `signed`: whether it has one at all. `claim`: the time of
    receipt that it claims; `own_claim`: what its body does, if a header stands before it. Flags come in their order.
    """
    flags: tuple[str, ...] = ()
    if vouched is not None and (claim is None or claim == vouched.received_at):
        at, sender = vouched.received_at, vouched.sender
    else:
        vouched, at, sender = None, appended_at, ""
        if signed:
            flags = (REFUSED,)
    if (claim is not None and claim != at) or (own_claim is not None and own_claim != at):
        flags += (CLAIMED,)
        if vouched is None and claim is not None and claim > at:
            flags += (IN_FUTURE,)
    return Counted(None if vouched is None else at, sender, flags)


def signed_since(ledger: Engine) -> datetime:
    """From when on, by the log's clock, a claimed time of receipt needs a signature. Blocks.

    Raises Stop if the database has not been migrated.
    """
    try:
        with transaction(ledger) as cursor:
            cursor.execute("select at from office.epoch where name = %s", [EDGE_SIGNATURE])
            row = cursor.fetchone()
    except UndefinedTable:
        row = None
    if row is None:
        raise Stop(
            "the database does not say since when records are signed (office.epoch): run `hcp migrate`"
        )
    at: datetime = row[0]
    return at
