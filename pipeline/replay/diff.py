"""Every published number, in the live ledger and in a replayed one, at one moment and in one snapshot."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, text

from pipeline.ledger.figures import Figures, figures
from pipeline.ledger.rate import Rate
from pipeline.replay.register import Replay
from pipeline.rules.measures import MEASURES
from pipeline.settings import Settings

Number = int | float | None


class Difference(NamedTuple):
    """A published number by its dotted name; None where one of the two has none."""

    name: str
    before: Number
    after: Number


class Diff(NamedTuple):
    """`numbers`: how many were compared; `differences`: those that are not the same; `same`: the county's that are.

    `behind`: records that the live ledger has and the replay has not.
    """

    asked_at: str
    numbers: int
    behind: int
    differences: list[Difference]
    same: list[Difference]


UNPUBLISHED = {
    "asked_at",
    "positions",
    "gaps",
    "blocked",
    "components",
    "outbox_unsent",
    "outbox_oldest_seconds",
    "outbox_set_aside",
}
"""Of the figures: what is no number, or says how the machines are."""
_TICKETS = """
    select count(*) filter (where b.ticket_id is not null) as was, count(*) filter (where a.ticket_id is not null) as is,
        count(*) filter (where a.ticket_id is null) as missing, count(*) filter (where b.ticket_id is null) as extra,
        count(*) filter (where a.dept_code <> b.dept_code) as rerouted,
        count(*) filter (where (a.opened_at, a.due_at) <> (b.opened_at, b.due_at)) as redated
    from {before}.ticket b full join {after}.ticket a using (ticket_id)"""


def diff(pool: Engine, settings: Settings, replay: Replay) -> Diff:
    """Compare the two. Blocks. Raises sqlalchemy errors when the database is away."""
    with pool.connect() as connection:
        snapshot = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        before = _numbers(snapshot, settings)
        after = _numbers(snapshot, replay.settings(settings))
        asked_at = str(snapshot.scalar(text("select now()")))
        tickets = list(_tickets(snapshot, settings.database.ledger_schema, replay.schema))
    behind = sum(_read(before).values()) - sum(_read(after).values())
    both = [Difference(name, before.get(name, 0), after.get(name, 0)) for name in sorted({*before, *after})]
    different = [one for one in both if one.before != one.after]
    different += [one for one in tickets if one.before != one.after]
    same = [one for one in both if one.before == one.after and not one.name.startswith("departments.")]
    return Diff(asked_at, len(both) + len(tickets), behind, different, same)


def stored(kept: Mapping[str, Any]) -> Diff:
    """A diff as `office.replay` keeps it (`Diff._asdict()` as JSON)."""
    lists = {name: [Difference(*one) for one in kept[name]] for name in ("differences", "same")}
    return Diff(**{**kept, **lists})


def _numbers(connection: Connection, settings: Settings) -> dict[str, Number]:
    """The figures, and the counters of each department and handling mode, by dotted names."""
    connection.execute(text(f"set local search_path = {settings.database.ledger_schema}"))
    found = figures(connection, settings)
    numbers = {
        name: value for field in Figures._fields for name, value in _flat(field, getattr(found, field))
    }
    for mode in found.services:
        numbers |= dict(_flat(f"review_rate.{mode}", found.review_rate(mode)))
    return numbers | dict(_flat("quality", found.quality())) | _departments(connection)


def _flat(name: str, value: Any) -> Iterator[tuple[str, Number]]:
    if name in UNPUBLISHED:
        return
    match value:
        case Rate():
            yield from (
                (f"{name}.part", value.part),
                (f"{name}.whole", value.whole),
                (f"{name}.rate", value.value),
            )
        case Mapping():
            for key, inner in value.items():
                yield from _flat(f"{name}.{key}", inner)
        case _:
            yield name, value


def _departments(connection: Connection) -> dict[str, Number]:
    sums = ", ".join(f"sum({name})::bigint as {name}" for name in MEASURES)
    rows = connection.execute(text(f"select dept_code, handling_mode, {sums} from counter group by 1, 2"))
    return {
        f"departments.{row.dept_code or 'none'}.{row.handling_mode or 'none'}.{name}": getattr(row, name)
        for row in rows
        for name in MEASURES
    }


def _tickets(connection: Connection, before: str, after: str) -> Iterator[Difference]:
    """Tickets one by one: the sums can agree though they are others."""
    row = connection.execute(text(_TICKETS.format(before=before, after=after))).one()
    yield Difference("tickets_opened", row.was, row[1])
    for name in ("missing", "extra", "rerouted", "redated"):
        yield Difference(f"tickets_{name}", 0, getattr(row, name))


def _read(numbers: Mapping[str, Number]) -> dict[str, int]:
    return {name: int(value or 0) for name, value in numbers.items() if name.startswith("fates.")}
