"""What the ledger already holds under a batch's keys, locked until the batch is written."""

from collections.abc import Collection, Iterable

from psycopg2.extensions import cursor as Cursor

from pipeline.ledger import crowds, identities
from pipeline.ledger.entries import CASE, DECISION, REVIEW, VERSION, Row, case, decision, review, version
from pipeline.rules import crowd
from pipeline.rules.fold import Arrival
from pipeline.rules.policy import Policy
from pipeline.rules.records import Dossier, Key, Ownership

_SERVICES = f"""
    select {CASE}, placeholder, versions, reviews, received_at, disputed, crowd
    from service where case_no = any(%s) order by case_no, service_no for update"""
_ANY_DECISION = "select exists (select from decision)"
_DECISIONS = f"select {DECISION} from decision where case_no = any(%s)"
_CASE_COLUMNS = 22
_PLACEHOLDER, _VERSIONS_KEPT, _REVIEWS_KEPT, _RECEIVED_AT, _DISPUTED, _CROWD = range(22, 28)
"""Places of these columns in such a row."""
_OF_SERVICES = """
    select r.* from unnest(%s::text[], %s::int[]) as k (case_no, service_no) cross join lateral (
        select {columns} from {table} r where r.case_no = k.case_no and r.service_no = k.service_no offset 0) r"""
_VERSIONS = _OF_SERVICES.format(columns=VERSION, table="case_version")
_REVIEWS = _OF_SERVICES.format(columns=REVIEW, table="review")


def hold(
    cursor: Cursor,
    keys: Collection[Key],
    arrivals: Collection[Arrival],
    policy: Policy,
    *,
    trust_counts: bool = True,
) -> dict[Key, Dossier]:
    """The dossiers under these keys that exist. Locks their rows in key order; blocks while another worker has them.

    `arrivals`: the records to be folded into them. Of a crowded service, and of reviews without a case, only what an
    arrival can change is read. `trust_counts`: what the service's row says of its reviews is right, so it is not counted.
    """
    wanted = set(keys)
    held: dict[Key, Dossier] = {}
    case_nos = sorted({key.case_no for key in wanted if key.case_no})
    if case_nos:
        cursor.execute(_SERVICES, [case_nos])
        rows = [row for row in cursor.fetchall() if Key(row[0], row[1]) in wanted]
        decisions = _decisions(cursor, case_nos)  # after the lock: what another worker has decided is seen
        _hold_services(cursor, rows, decisions, arrivals, policy, held, trust_counts=trust_counts)
    if any(not key.case_no for key in wanted):
        alone = {identities.of_review(one.key, one.entry) for one in arrivals if not one.key.case_no}
        for entry in identities.reviews(cursor, alone):
            key = Key("", entry.event.service_no, entry.event_id)
            held.setdefault(key, Dossier(key)).reviews.append(entry)
    return held


def _hold_services(
    cursor: Cursor,
    rows: list[Row],
    decisions: list[Row],
    arrivals: Iterable[Arrival],
    policy: Policy,
    held: dict[Key, Dossier],
    *,
    trust_counts: bool,
) -> None:
    for row in rows:
        key = Key(row[0], row[1])
        dossier = held[key] = Dossier(key, [] if row[_PLACEHOLDER] else [case(row[:_CASE_COLUMNS])])
        if row[_VERSIONS_KEPT] > 1:
            dossier.held = Ownership(dossier.cases[0], row[_RECEIVED_AT], row[_DISPUTED])
    for row in decisions:
        if (key := Key(row[0], row[1])) in held:
            held[key].decisions.append(decision(row))
    standing = [
        crowds.Standing(Key(*row[:2]), *row[_VERSIONS_KEPT:])
        for row in rows
        if _may_be_crowded(row) or not trust_counts
    ]
    crowded = crowds.totals(cursor, standing, policy, trust_counts=trust_counts) if standing else {}
    whole = [row for row in rows if Key(row[0], row[1]) not in crowded] if crowded else rows
    for row in _rows(cursor, _VERSIONS, [row for row in whole if row[_VERSIONS_KEPT] > 1]):
        held[Key(row[0], row[1])].cases.append(version(row))
    for row in _rows(cursor, _REVIEWS, [row for row in whole if row[_REVIEWS_KEPT] or not trust_counts]):
        held[Key(row[0], row[1])].reviews.append(review(row))
    if crowded:
        crowds.hold(cursor, crowded, arrivals, policy, held, trust_counts=trust_counts)


def _decisions(cursor: Cursor, case_nos: list[str]) -> list[Row]:
    """In most counties there is none: thousands of numbers are not sent again for nothing."""
    cursor.execute(_ANY_DECISION)
    if cursor.fetchone() == (False,):
        return []
    cursor.execute(_DECISIONS, [case_nos])
    return cursor.fetchall()


def _may_be_crowded(row: Row) -> bool:
    return row[_CROWD] is not None or row[_REVIEWS_KEPT] > crowd.WHOLE or row[_VERSIONS_KEPT] > crowd.WHOLE


def _rows(cursor: Cursor, query: str, services: list[Row]) -> list[Row]:
    """All versions, or all reviews, of these services."""
    if not services:
        return []
    cursor.execute(query, [[row[0] for row in services], [row[1] for row in services]])
    return cursor.fetchall()
