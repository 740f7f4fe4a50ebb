"""Crowded services: what of them a batch can change is looked up, the rest is known by its counts."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace
from psycopg2.extensions import cursor as Cursor

from pipeline.ledger import identities
from pipeline.ledger.identities import SORT
from pipeline.rules import crowd
from pipeline.rules.crowd import Crowd, Totals, unseen
from pipeline.rules.fold import Arrival
from pipeline.rules.inspection import flag_ids
from pipeline.rules.ownership import Version, owner_of
from pipeline.rules.policy import Policy
from pipeline.rules.ranking import changes_sort
from pipeline.rules.records import Dossier, Key
from schemas.events import CaseEvent, DecisionEvent, ReviewEvent


class Standing(NamedTuple):
    """What a service's row says. `crowd`: a `Crowd` as JSON; None if nobody has made it yet."""

    key: Key
    versions: int
    reviews: int
    received_at: datetime | None
    disputed: bool
    crowd: Any


def survey(which: str, collection: str, inspection: str) -> str:
    """A query for what the rows say of the services (`s`) for which `which` holds: key, `versions`, `reviews`, `crowd`.

    `collection`, `inspection`: placeholders for the limit of a timely receipt and for the ids of the rules.
    """
    return f"""
    select s.case_no, s.service_no, v.versions + (not s.placeholder)::int as versions, r.reviews,
        jsonb_build_object('leading', e.leading, 'least', l.least, 'reviews_on_time', r.on_time,
            'conflicts', r.conflicts, 'versions_passed', v.passed + (not s.placeholder and not s.flags && {inspection})::int) as crowd
    from service s
    cross join lateral (
        select count(*) as reviews, count(*) filter (where received_at - submitted_at <= {collection}) as on_time,
            count(*) filter (where channel <> 'default')
                - count(distinct review_no) filter (where channel <> 'default') as conflicts
        from review r where r.case_no = s.case_no and r.service_no = s.service_no) r
    cross join lateral (
        select coalesce(jsonb_agg(jsonb_build_array(review_no, event_id, replace(digest::text, '-', ''))
            order by review_no, event_id collate "C", digest), '[]') as leading
        from (
            select distinct on ({SORT}) review_no, event_id, digest
            from review r where r.case_no = s.case_no and r.service_no = s.service_no
            order by {SORT}, received_at, event_id collate "C", digest) first) e
    left join lateral (
        select jsonb_build_array(event_id, replace(digest::text, '-', '')) as least
        from (
            select event_id, digest, received_at from case_version v
            where v.case_no = s.case_no and v.service_no = s.service_no
            union all select s.event_id, s.digest, s.version_received_at where not s.placeholder) v
        order by received_at, event_id collate "C", digest limit 1) l on true
    cross join lateral (
        select count(*) as versions, count(*) filter (where not v.flags && {inspection}) as passed
        from case_version v where v.case_no = s.case_no and v.service_no = s.service_no) v
    where {which}"""


_SURVEY = survey(
    "(s.case_no, s.service_no) in (select * from unnest(%(case_nos)s::text[], %(service_nos)s::int[]))",
    "%(collection)s",
    "%(inspection)s",
)


def totals(
    cursor: Cursor, standing: Collection[Standing], policy: Policy, *, trust_counts: bool
) -> dict[Key, Totals]:
    """Those of these services that are crowded.

    What is not known of one is found by looking at all its rows: once for a service that came to its records before the
    ledger kept crowds; each time if the counts are not trusted.
    """
    unknown = [one for one in standing if one.crowd is None or not trust_counts]
    surveyed = _survey(cursor, unknown, policy) if unknown else {}
    crowded = {}
    for one in standing:
        versions, reviews, kept = surveyed.get(one.key, one[1:3] + one[5:])
        if one.crowd is not None or versions > crowd.WHOLE or reviews > crowd.WHOLE:
            kept = msgspec.convert(kept, Crowd)
            crowded[one.key] = Totals(versions, reviews, one.received_at, one.disputed, kept)
    return crowded


def _survey(cursor: Cursor, standing: Iterable[Standing], policy: Policy) -> dict[Key, tuple[int, int, Any]]:
    cursor.execute(
        _SURVEY,
        {
            "case_nos": [one.key.case_no for one in standing],
            "service_nos": [one.key.service_no for one in standing],
            "collection": policy.collection_limit,
            "inspection": sorted(flag_ids()),
        },
    )
    return {Key(row[0], row[1]): row[2:] for row in cursor.fetchall()}


def hold(
    cursor: Cursor,
    crowded: Mapping[Key, Totals],
    arrivals: Iterable[Arrival],
    policy: Policy,
    held: dict[Key, Dossier],
    *,
    trust_counts: bool,
) -> None:
    """Fill the dossiers of these services with what the arrivals can change; the current versions are in them already.

    * What an arrival is a copy of; if there is nothing, another event of the same id.
    * The leading reviews, and the version by which the service has its owner.
    * What may hold or dispute after the arrivals, see `_hold_versions`; what may lead, see `_hold_followers`.
    """
    mine = [one for one in arrivals if one.key in crowded]
    case_arrivals = [one for one in mine if isinstance(one.entry.event, CaseEvent)]
    review_arrivals = [one for one in mine if isinstance(one.entry.event, ReviewEvent)]
    cases = {identities.of_version(one.key, one.entry) for one in case_arrivals}
    reviews = {identities.of_review(one.key, one.entry) for one in review_arrivals}
    leasts = set()
    for key, total in crowded.items():
        reviews.update((key.case_no, key.service_no, *identity) for identity in total.crowd.leading)
        if total.crowd.least is not None:
            leasts.add((key.case_no, key.service_no, *total.crowd.least))
    for review in identities.reviews(cursor, reviews):
        held[Key(str(review.event.case_no), review.event.service_no)].reviews.append(review)
    for version in identities.versions(cursor, cases | leasts):
        held[Key(version.event.case_no, version.event.service_no)].cases.append(version)
    _hold_followers(cursor, review_arrivals, crowded, held)
    decided = _decided(mine, crowded, held)
    arrived = _in_question(case_arrivals, crowded, decided, held, trust_counts=trust_counts)
    _hold_versions(cursor, arrived, decided, cases, held)
    for key, total in crowded.items():
        known = replace(total, disputed=False) if key in arrived else total
        held[key].unseen = unseen(held[key], known, policy)


def _hold_followers(
    cursor: Cursor, reviews: Iterable[Arrival], crowded: Mapping[Key, Totals], held: Mapping[Key, Dossier]
) -> None:
    """The next of each sort, where an earlier copy that came another way takes a leading review out of its sort.

    Of n such copies at most n fall out, so n more are held. All reviews of the service are looked at for them.
    """
    known = {identities.of_review(key, entry): entry for key in crowded for entry in held[key].reviews}
    falling: dict[Key, set[identities.ReviewIdentity]] = defaultdict(set)
    for one in reviews:
        who = identities.of_review(one.key, one.entry)
        if who in known and changes_sort(known[who], one.entry):
            falling[one.key].add(who)
    wanted = [
        (key.case_no, key.service_no, 1 + len(whose))
        for key, whose in falling.items()
        if any(who[2:] in crowded[key].crowd.leading for who in whose)
    ]
    for review in identities.first_of_sorts(cursor, wanted):
        key = Key(str(review.event.case_no), review.event.service_no)
        if identities.of_review(key, review) not in known:
            held[key].reviews.append(review)


def _decided(
    arrivals: Iterable[Arrival], crowded: Iterable[Key], held: Mapping[Key, Dossier]
) -> dict[Key, set[str]]:
    """The departments that persons decided for, service by service: a copy may make any of them the last."""
    decided: dict[Key, set[str]] = defaultdict(set)
    for one in arrivals:
        if isinstance(one.entry.event, DecisionEvent):
            decided[one.key].add(one.entry.event.dept_code)
    for key in crowded:
        if held[key].decisions:
            decided[key].update(one.event.dept_code for one in held[key].decisions)
    return decided


def _in_question(
    cases: Iterable[Arrival],
    crowded: Iterable[Key],
    decided: Collection[Key],
    held: Mapping[Key, Dossier],
    *,
    trust_counts: bool,
) -> dict[Key, list[Version]]:
    """The services of which another version may hold after the arrivals, each with those of its versions that arrive."""
    arrived: dict[Key, list[Version]] = {
        key: []
        for key in crowded
        if held[key].cases and (key in decided or not (trust_counts and _is_owners(held[key])))
    }
    for one in cases:
        arrived.setdefault(one.key, []).append(one.entry)
    return arrived


def _is_owners(dossier: Dossier) -> bool:
    """Whether the current version is the owner's. Not so only where an older release left another one."""
    return owner_of(dossier.cases).owns(dossier.cases[0])


def _hold_versions(
    cursor: Cursor,
    arrived: Mapping[Key, list[Version]],
    decided: Mapping[Key, Collection[str]],
    arriving: set[identities.VersionIdentity],
    held: Mapping[Key, Dossier],
) -> None:
    """The greatest versions of whoever may own the service after these arrivals, and versions of others, if there are any.

    An earlier copy makes a version lesser, or signed by another sender: of n copies at most n fall out, so n more are held.
    """
    wanted, known = [], set()
    for key, versions in arrived.items():
        owner = owner_of([*held[key].cases, *versions])
        here = {identities.of_version(key, entry) for entry in held[key].cases}
        n = 1 + len(here & arriving)
        wanted.append((key.case_no, key.service_no, owner.dept_code, owner.sender, n))
        wanted += [(key.case_no, key.service_no, dept_code, "", n) for dept_code in decided.get(key, ())]
        known |= here
    for version in identities.contenders(cursor, wanted) if wanted else ():
        key = Key(version.event.case_no, version.event.service_no)
        if (who := identities.of_version(key, version)) not in known:
            known.add(who)
            held[key].cases.append(version)
