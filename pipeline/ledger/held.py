"""What the ledger already holds under a batch's keys, locked until the batch is written."""

from collections.abc import Collection
from typing import Any

import msgspec
from psycopg2.extensions import cursor as Cursor

from pipeline.rules.records import Dossier, Entry, Key, Place
from schemas.codes import Channel, HandlingMode, Status
from schemas.events import CaseEvent, ReviewEvent

_PLACE = 'topic, partition, "offset", flags'
_SERVICES = f"""
    select case_no, service_no, placeholder, versions, reviews, event_id, digest, version_received_at, {_PLACE},
           status, item_code, dept_code, handling_mode, served_at,
           item_name, area_code, hall_code, window_code, staff_id, accepted_at, source
    from service where case_no = any(%s) order by case_no, service_no for update"""
_VERSIONS = f"""
    select case_no, service_no, event_id, digest, received_at, {_PLACE}, event from case_version where case_no = any(%s)"""
_REVIEWS = f"""
    select case_no, service_no, event_id, digest, received_at, {_PLACE},
           satisfaction, channel, submitted_at, review_no, reason_codes, comment,
           hall_code, window_code, staff_id, dept_code, item_code, device_id, device_seq, device_prev,
           real_name, reviewer, reviewer_mark, sent_digest
    from review where """
_decode_case = msgspec.json.Decoder(CaseEvent).decode


def hold(cursor: Cursor, keys: Collection[Key], *, trust_counts: bool = True) -> dict[Key, Dossier]:
    """The dossiers under these keys that exist. Locks their rows in key order; blocks while another worker has them.

    `trust_counts`: look for reviews only where the service's row says that it has some.
    """
    wanted = set(keys)
    held: dict[Key, Dossier] = {}
    case_nos = sorted({key.case_no for key in wanted if key.case_no})
    if case_nos:
        _hold_cases(cursor, wanted, case_nos, held, trust_counts=trust_counts)
    event_ids = sorted({key.event_id for key in wanted if not key.case_no})
    if event_ids:
        cursor.execute(
            f"{_REVIEWS} case_no = '' and event_id = any(%s) order by event_id for update", [event_ids]
        )
        for row in cursor.fetchall():
            key = Key("", row[1], row[2])
            held.setdefault(key, Dossier(key)).reviews.append(_review(row))
    return held


def _hold_cases(
    cursor: Cursor, wanted: set[Key], case_nos: list[str], held: dict[Key, Dossier], *, trust_counts: bool
) -> None:
    cursor.execute(_SERVICES, [case_nos])
    rows = [row for row in cursor.fetchall() if Key(row[0], row[1]) in wanted]
    for row in rows:
        key = Key(row[0], row[1])
        held[key] = Dossier(key, [] if row[2] else [_case(row)])
    _hold_more(cursor, _VERSIONS, [row[0] for row in rows if row[3] > 1], held)
    _hold_more(
        cursor, f"{_REVIEWS} case_no = any(%s)", [row[0] for row in rows if row[4] or not trust_counts], held
    )


def _hold_more(cursor: Cursor, query: str, case_nos: list[str], held: dict[Key, Dossier]) -> None:
    """Superseded versions, or reviews, of the services held that say they have some."""
    if not case_nos:
        return
    cursor.execute(query, [case_nos])
    for row in cursor.fetchall():
        dossier = held.get(Key(row[0], row[1]))
        if dossier is None:
            continue
        if query is _VERSIONS:
            dossier.cases.append(_version(row))
        else:
            dossier.reviews.append(_review(row))


def _case(row: tuple[Any, ...]) -> Entry[CaseEvent]:
    (
        case_no, service_no, _, _, _, event_id, digest, received_at, topic, partition, offset, flags,
        status, item_code, dept_code, handling_mode, served_at,
        item_name, area_code, hall_code, window_code, staff_id, accepted_at, source,
    ) = row  # fmt: skip
    event = CaseEvent(
        case_no, Status(status), item_code, dept_code, HandlingMode(handling_mode), served_at, event_id, service_no,
        item_name, area_code, hall_code, window_code, staff_id, accepted_at, None, source,
    )  # fmt: skip
    return Entry(event, event_id, _hex(digest), received_at, Place(topic, partition, offset), tuple(flags))


def _version(row: tuple[Any, ...]) -> Entry[CaseEvent]:
    _, _, event_id, digest, received_at, topic, partition, offset, flags, event = row
    case = _decode_case(event if isinstance(event, str) else msgspec.json.encode(event))
    return Entry(case, event_id, _hex(digest), received_at, Place(topic, partition, offset), tuple(flags))


def _review(row: tuple[Any, ...]) -> Entry[ReviewEvent]:
    (
        case_no, service_no, event_id, digest, received_at, topic, partition, offset, flags,
        satisfaction, channel, submitted_at, review_no, reason_codes, comment,
        hall_code, window_code, staff_id, dept_code, item_code, device_id, device_seq, device_prev,
        real_name, reviewer, reviewer_mark, sent_digest,
    ) = row  # fmt: skip
    event = ReviewEvent(
        satisfaction, Channel(channel), submitted_at, event_id, case_no or None, service_no, review_no,
        reason_codes, comment, None, hall_code, window_code, staff_id, dept_code, item_code,
        device_id, device_seq, device_prev, real_name, reviewer, reviewer_mark,
    )  # fmt: skip
    place = Place(topic, partition, offset)
    return Entry(event, event_id, _hex(digest), received_at, place, tuple(flags), sent_digest)


def _hex(digest: Any) -> str:
    """A uuid column as the 32 digits of a digest."""
    return str(digest).replace("-", "")
