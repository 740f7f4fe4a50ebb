"""Coverage (`domain.md`, 4): how much of the catalogue, of the registered windows and of their channels is heard."""

from sqlalchemy import Connection, text

from pipeline.ledger.rate import Rate

CHANNEL_DAYS = 7
"""A channel that delivered nothing for so long counts as silent, and so does a device."""

_CATALOGUE = """
    with wired as (
        select item_code, dept_code, bool_or(open_since is null) as reviewed from service
        where not placeholder group by 1, 2),
    departments as (
        select d.dept_code, d.items, bool_or(w.reviewed) as reviewed, bool_or(w.dept_code is not null) as wired,
            count(distinct left(w.item_code, 31)) filter (where w.reviewed) as items_reviewed,
            count(distinct left(w.item_code, 31)) as items_wired
        from office.department d left join wired w using (dept_code) group by 1, 2)
    select coalesce(sum(items_reviewed), 0)::int as items_reviewed, coalesce(sum(items_wired), 0)::int as items_wired,
        count(*) filter (where reviewed) as departments_reviewed, count(*) filter (where wired) as departments_wired,
        coalesce(sum(items), 0)::int as items, count(*) as departments
    from departments"""

# `materialized`: else PostgreSQL looks for everything heard anew for each window (minutes, at a million reviews).
# A review says itself where it was given; where its case says something else, the case is right.
_WINDOWS = """
    with registered as (
        select distinct hall_code, window_code from office.device where window_code <> '' and revoked_at is null),
    heard as materialized (
        select distinct case when s.window_code <> '' then s.hall_code else r.hall_code end as hall_code,
            coalesce(nullif(s.window_code, ''), r.window_code) as window_code
        from review r left join service s using (case_no, service_no) where r.channel <> 'default')
    select count(*) filter (where exists (select from heard h where h.window_code = w.window_code
        and (w.hall_code in ('', h.hall_code) or h.hall_code = ''))), count(*)
    from registered w"""

# What a device leaves out of its place the gateway has filled in; of a place that is any, every review is.
_CHANNELS = """
    with registered as (
        select distinct dept_code, hall_code, window_code, unnest(channels) as channel
        from office.device where revoked_at is null),
    heard as materialized (
        select distinct channel, dept_code, hall_code, window_code from review
        where received_at > now() - make_interval(days => :days))
    select count(*) filter (where exists (select from heard h where h.channel = p.channel
        and p.dept_code in ('', h.dept_code) and p.hall_code in ('', h.hall_code)
        and p.window_code in ('', h.window_code))), count(*)
    from registered p"""


def coverage(connection: Connection) -> dict[str, Rate]:
    """Items and departments with an active review, and with a case (D1, D9); registered windows with an active review;
    registered pairs of place and channel that delivered a review in the last `CHANNEL_DAYS`. Blocks.
    """
    row = connection.execute(text(_CATALOGUE)).one()
    return {
        "items_reviewed": Rate(row.items_reviewed, row.items),
        "items_wired": Rate(row.items_wired, row.items),
        "departments_reviewed": Rate(row.departments_reviewed, row.departments),
        "departments_wired": Rate(row.departments_wired, row.departments),
        "windows_reviewed": Rate(*connection.execute(text(_WINDOWS)).one()),
        "channels_delivering": Rate(*connection.execute(text(_CHANNELS), {"days": CHANNEL_DAYS}).one()),
    }
