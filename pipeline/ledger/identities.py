"""Reviews and versions looked up one by one, so that the cost does not depend on how many there are beside them.

Of an event that is not here, another body with its event id comes, if there is one: both will be flagged (`id_reused`). One
is enough; if there are more, all of them are flagged already.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from psycopg2.extensions import cursor as Cursor

from pipeline.ledger.entries import REVIEW, VERSION, review, version
from pipeline.rules.ranking import SYSTEM
from pipeline.rules.records import AnyEntry, Entry, Key
from schemas.codes import Channel
from schemas.events import CaseEvent, ReviewEvent

ReviewIdentity = tuple[str, int, int, str, str]
"""`case_no`, `service_no`, `review_no`, `event_id`, digest: a row of `review`."""
VersionIdentity = tuple[str, int, str, str]
"""`case_no`, `service_no`, `event_id`, digest: a row of `case_version`."""

_SAME_EVENT = """
    r.case_no = k.case_no and r.service_no = k.service_no and r.review_no = k.review_no and r.event_id = k.event_id"""
_REVIEWS = f"""
    select r.* from unnest(%s::text[], %s::int[], %s::int[], %s::text[], %s::uuid[])
        as k (case_no, service_no, review_no, event_id, digest)
    cross join lateral (select r.digest from review r where {_SAME_EVENT} limit 1) one
    cross join lateral (
        select {REVIEW} from review r where {_SAME_EVENT} and r.digest in (k.digest, one.digest) for update) r"""
ISSUER = f"case when starts_with(r.sender, '{SYSTEM}') and r.channel <> '{Channel.HOTLINE}' then r.sender else '' end"
"""As `pipeline.rules.ranking.issuer` gives it, of a review `r`."""
SORT = f"r.review_no, r.channel = 'default', {ISSUER}"
"""Of the reviews of one sort the one that was received first leads (`pipeline.rules.ranking.leading`)."""
_FIRST_OF_SORTS = f"""
    select f.* from unnest(%s::text[], %s::int[], %s::int[]) as k (case_no, service_no, n) cross join lateral (
        select {REVIEW} from (
            select r.*, row_number() over (
                partition by {SORT} order by r.received_at, r.event_id collate "C", r.digest) as rank
            from review r where r.case_no = k.case_no and r.service_no = k.service_no) r
        where rank <= k.n) f"""
_SAME_CASE = "v.case_no = k.case_no and v.service_no = k.service_no and v.event_id = k.event_id"
_VERSIONS = f"""
    select v.* from unnest(%s::text[], %s::int[], %s::text[], %s::uuid[]) as k (case_no, service_no, event_id, digest)
    cross join lateral (select v.digest from case_version v where {_SAME_CASE} limit 1) one
    cross join lateral (
        select {VERSION} from case_version v where {_SAME_CASE} and v.digest in (k.digest, one.digest) offset 0) v"""
_OF = "v.case_no = k.case_no and v.service_no = k.service_no and v.received_at > '-infinity'"
_NEXT_SENDER = (
    f"select v.sender from case_version v where {_OF} and v.sender > k.at order by v.sender limit 1"
)
_DEPT = "v.dept_code"
_SIGNED = f"{_OF} and v.sender = k.sender"
_NEXT_DEPT = f"select {_DEPT} from case_version v where {_SIGNED} and {_DEPT} > k.at order by {_DEPT} limit 1"
_GREATEST = "order by v.received_at desc, v.event_id using ~>~, v.digest desc limit k.n"
_FIRST = "order by v.received_at, v.event_id using ~<~, v.digest limit 1"
_CONTENDERS = f"""
    with recursive k as (
        select * from unnest(%s::text[], %s::int[], %s::text[], %s::text[], %s::int[])
            as k (case_no, service_no, dept_code, sender, n)),
    senders as (
        select k.*, '' as at from k
        union all select k.case_no, k.service_no, k.dept_code, k.sender, k.n, ({_NEXT_SENDER}) from senders k
        where k.at is not null),
    departments as (
        select k.*, '' as at from k where sender <> ''
        union all select k.case_no, k.service_no, k.dept_code, k.sender, k.n, ({_NEXT_DEPT}) from departments k
        where k.at is not null)
    select v.* from senders k cross join lateral (
        select {VERSION} from case_version v where {_OF} and v.sender = k.at and {_DEPT} = k.dept_code {_GREATEST}) v
    union all select v.* from senders k cross join lateral (
        select {VERSION} from case_version v where {_OF} and v.sender = k.at and {_DEPT} = k.dept_code {_FIRST}) v
    union all select v.* from departments k cross join lateral (
        select {VERSION} from case_version v where {_SIGNED} and {_DEPT} = k.at {_GREATEST}) v
    union all select v.* from senders k cross join lateral (
        select {VERSION} from case_version v where {_OF} and v.sender = k.at and {_DEPT} < k.dept_code
        order by {_DEPT} limit k.n) v where k.at <> k.sender or k.sender = ''
    union all select v.* from senders k cross join lateral (
        select {VERSION} from case_version v where {_OF} and v.sender = k.at and {_DEPT} > k.dept_code
        order by {_DEPT} limit k.n) v where k.at <> k.sender or k.sender = ''"""
"""From sender to sender of a service: as many steps as senders that our edge knows, however many versions there are."""

_UNSORTED = "set local enable_sort = off"
"""The planner takes a service's versions to be few: it would read them all by the primary key and sort them."""


def of_review(key: Key, entry: AnyEntry) -> ReviewIdentity:
    """Which row this review is, or will be."""
    return key.case_no, key.service_no, entry.event.review_no, entry.event_id, entry.digest


def of_version(key: Key, entry: AnyEntry) -> VersionIdentity:
    """Which row this version is, or would be if it were not the current one."""
    return key.case_no, key.service_no, entry.event_id, entry.digest


def reviews(cursor: Cursor, wanted: AbstractSet[ReviewIdentity]) -> Iterator[Entry[ReviewEvent]]:
    """These reviews, as far as they exist, and one of its event id for each that does not. Locks their rows in their order."""
    found = set()
    if columns := _columns(sorted(wanted)):
        cursor.execute(_REVIEWS, columns)
        for row in cursor.fetchall():
            entry = review(row)
            identity = row[0], row[1], entry.event.review_no, entry.event_id, entry.digest
            if identity not in found:
                found.add(identity)
                yield entry


def first_of_sorts(cursor: Cursor, wanted: Iterable[tuple[str, int, int]]) -> list[Entry[ReviewEvent]]:
    """Of each service (`case_no`, `service_no`, n) the first n reviews of every sort. Reads all its reviews."""
    columns = _columns(wanted)
    if not columns:
        return []
    cursor.execute(_FIRST_OF_SORTS, columns)
    return [review(row) for row in cursor.fetchall()]


def versions(cursor: Cursor, wanted: AbstractSet[VersionIdentity]) -> list[Entry[CaseEvent]]:
    """These versions, as far as another one has replaced them, and one of its event id for each that is not here."""
    return _versions(cursor, _VERSIONS, _columns(wanted))


def contenders(cursor: Cursor, wanted: Iterable[tuple[str, int, str, str, int]]) -> list[Entry[CaseEvent]]:
    """Of each service (`case_no`, `service_no`; its owner's department and sender; n), without the current version:

    at least the n greatest versions of the owner, the first of its department, and n of others, as far as there are so many.
    """
    cursor.execute(_UNSORTED)
    found = _versions(cursor, _CONTENDERS, _columns(wanted))
    cursor.execute("set local enable_sort to default")
    return found


def _versions(cursor: Cursor, query: str, columns: list[list[object]]) -> list[Entry[CaseEvent]]:
    if not columns:
        return []
    cursor.execute(query, columns)
    return list({row[:4]: version(row) for row in cursor.fetchall()}.values())


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    """By columns; empty if there are none."""
    return [list(column) for column in zip(*rows, strict=True)]
