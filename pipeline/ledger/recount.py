"""The counters once more, from the rows and in SQL: a second opinion on `pipeline.rules`, for `hcp verify`."""

from typing import Any

from pipeline.ledger.identities import ISSUER
from pipeline.rules.inspection import flag_ids
from pipeline.rules.measures import MEASURES
from pipeline.settings import Settings
from schemas.catalogue import COUNTY_OFFICE


def hint(review: str) -> str:
    """The department that the review of this alias names (`pipeline.rules.routing.hinted_department`)."""
    return (
        f"case when {review}.dept_code <> '' then {review}.dept_code"
        f" when length({review}.item_code) >= 31 then left({review}.item_code, 18) else '' end"
    )


_LEVEL = "case when defaulted then 'default_' else 'level_' end || satisfaction"

DECIDED = """
decided as (
    select distinct on (case_no, service_no) case_no, service_no, dept_code as decided_for from decision
    order by case_no, service_no, received_at desc, event_id collate "C" desc, digest desc)"""
"""What persons decided last."""

SETTLED = f"""{DECIDED},
owners as (
    select distinct on (case_no, service_no) case_no, service_no, sender as owner_sender
    from (
        select case_no, service_no, version_received_at as received_at, event_id, digest, sender, dept_code
        from service where not placeholder
        union all select case_no, service_no, received_at, event_id, digest, sender, dept_code
        from case_version) v
    left join decided using (case_no, service_no)
    order by case_no, service_no, decided_for is not distinct from dept_code desc, received_at, event_id collate "C", digest),
ranked as (
    select r.*, channel = 'default' as defaulted,
        case_no = '' or 1 = row_number() over (
            partition by case_no, service_no, review_no
            order by channel = 'default', {ISSUER} not in ('', coalesce(owner_sender, '')),
                received_at, event_id collate "C", digest) as counts
    from review r left join owners using (case_no, service_no)),
settled as (
    select s.*, f.case_no is not null as has_first, f.satisfaction, f.defaulted,
        case when s.placeholder or f.case_no is null then null
            when greatest(s.received_at, f.received_at) <= greatest(s.served_at, f.submitted_at) + :window
            then 'matched' else 'matched_late' end as true_outcome,
        case when s.placeholder then f.submitted_at
            when f.case_no is null or f.defaulted then s.served_at end as true_open_since,
        case when s.placeholder then coalesce(f.submitted_at, u.submitted_at) else s.served_at end as occurred_at,
        case when not s.placeholder then s.dept_code
            when f.case_no is not null then {hint("f")} else {hint("u")} end as whose
    from service s
    left join ranked f on f.case_no = s.case_no and f.service_no = s.service_no and f.review_no = 1 and f.counts
    left join ranked u on u.case_no = s.case_no and u.service_no = s.service_no and u.review_no = 2 and u.counts)
"""
"""`ranked`: every review, `counts` if it should be effective; `settled`: every service, and what should stand in it."""

OWNED = f"""{DECIDED},
versions as (
    select case_no, service_no, event_id, digest, version_received_at as received_at, sender, dept_code, true as current
    from service where versions > 1 and not placeholder
    union all
    select case_no, service_no, event_id, digest, received_at, sender, dept_code, false from case_version),
first as (
    select distinct on (case_no, service_no) case_no, service_no, dept_code as owner, sender as owner_sender,
        decided_for is not distinct from dept_code as is_decided
    from versions left join decided using (case_no, service_no)
    order by case_no, service_no, decided_for is not distinct from dept_code desc, received_at, event_id collate "C", digest),
owned as (
    select *, dept_code = owner or (not is_decided and sender <> '' and sender = owner_sender) as is_owners
    from versions join first using (case_no, service_no)),
content as (
    select *, current is distinct from (is_owners and 1 = row_number() over (
            partition by case_no, service_no, is_owners order by received_at desc, event_id collate "C" desc, digest desc))
        as is_wrong, not is_decided and not bool_and(is_owners) over (partition by case_no, service_no) as true_disputed
    from owned)"""
"""`content`: the versions of services with several, `is_wrong` if one holds that should not, or the other way round."""

_FACTS = f"""
facts as (
    select occurred_at, whose, handling_mode, measure from settled cross join lateral (values
        ('services', not placeholder), ('reviewed', not placeholder and true_open_since is null),
        ('disputed', not placeholder and disputed), ('cases_on_time', received_at - served_at <= :collection),
        ('matched', true_outcome = 'matched'), ('matched_late', true_outcome = 'matched_late'),
        ('unpaired', placeholder and has_first), ({_LEVEL}, has_first)) as m (measure, holds) where holds
    union all
    select occurred_at, whose, handling_mode, measure
    from ranked r join settled s using (case_no, service_no) cross join lateral (values
        ('follow_ups', r.review_no = 2 and r.counts), ('conflicts', not r.counts and not r.defaulted),
        ('review_records', true), ('reviews_on_time', r.received_at - r.submitted_at <= :collection))
        as m (measure, holds) where holds
    union all
    select occurred_at, whose, handling_mode, measure
    from settled join (
        select case_no, service_no, flags from service where not placeholder
        union all select case_no, service_no, flags from case_version) v using (case_no, service_no)
    cross join lateral (values ('case_records', true), ('cases_passed', not v.flags && :inspection))
        as m (measure, holds) where holds
    union all
    select submitted_at, {hint("r")}, '', measure from ranked r cross join lateral (values
        ('standalone', review_no = 1), ('follow_ups', review_no = 2), ({_LEVEL}, review_no = 1),
        ('review_records', true), ('reviews_on_time', received_at - submitted_at <= :collection))
        as m (measure, holds) where holds and case_no = '')"""

DIFFERENCES = f"""
with {SETTLED}, {_FACTS},
recounted as (
    select (occurred_at at time zone :zone)::date as day, whose as dept_code, handling_mode, measure, count(*) as n
    from facts group by 1, 2, 3, 4),
counted as (
    select day, dept_code, handling_mode, measure, sum(amount) as n from counter cross join lateral (values
        {", ".join(f"('{name}', {name})" for name in MEASURES)}) as m (measure, amount)
    group by 1, 2, 3, 4 having sum(amount) <> 0)
select day, dept_code, handling_mode, measure, coalesce(counted.n, 0) as counted, coalesce(recounted.n, 0) as recounted
from counted full join recounted using (day, dept_code, handling_mode, measure)
where counted.n is distinct from recounted.n order by 1, 2, 3, 4"""
"""Counters that are not what the rows say."""


def parameters(settings: Settings) -> dict[str, Any]:
    """What these queries are told."""
    policy = settings.rules.policy()
    return {
        "zone": settings.rules.time_zone,
        "window": policy.window,
        "collection": policy.collection_limit,
        "inspection": sorted(flag_ids()),
        "county": COUNTY_OFFICE,
    }
