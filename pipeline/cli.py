"""`hcp migrate | topics | worker | verify | case | positions | outbox | seal | erase | replay`: the pipeline's commands."""

import getpass
import json
from typing import Annotated

import typer

from pipeline.replay.cli import app as replay
from pipeline.settings import load

app = typer.Typer(no_args_is_help=True)
positions = typer.Typer(help="Where the ledger stands in the log.", no_args_is_help=True)
outbox = typer.Typer(
    help="What the log does not take: rows that the relay has set aside.", no_args_is_help=True
)
seals = typer.Typer(help="The months' keys, which seal identities and dead letters.", no_args_is_help=True)
cases = typer.Typer(help="Whose a service is.", no_args_is_help=True)
app.add_typer(cases, name="case")
app.add_typer(positions, name="positions")
app.add_typer(outbox, name="outbox")
app.add_typer(seals, name="seal")
app.add_typer(replay, name="replay")


@app.command()
def migrate() -> None:
    """Bring the database's schemas up to date and load the catalogue."""
    from pipeline.ledger.migrate import upgrade
    from pipeline.ledger.server_log import revealing

    database = load().database
    upgrade(database)
    typer.echo("schemas are up to date")
    for name, should in revealing(database).items():
        typer.echo(f"hcp: PostgreSQL may log citizens' words and numbers: set {name} = {should}", err=True)


@app.command()
def topics() -> None:
    """Declare the five topics, as far as they are missing."""
    from pipeline.log import declare_topics

    created = declare_topics(load().kafka)
    typer.echo("created: " + ", ".join(created) if created else "all five topics are there")


@app.command()
def worker() -> None:
    """Fold the log into the ledger until told to stop."""
    from pipeline.worker.app import run

    raise typer.Exit(run(load()))


@app.command()
def verify(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Recompute the counters from the rows, check the invariants, and that no position stands still; exit 1 with the list
    of what is wrong.
    """
    from pipeline.ledger.verify import still
    from pipeline.ledger.verify import verify as run_verify

    settings = load()
    findings = run_verify(settings) + still(settings)
    if as_json:
        typer.echo(json.dumps([finding._asdict() for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            typer.echo(str(finding))
        typer.echo("the ledger is whole" if not findings else f"{len(findings)} findings")
    raise typer.Exit(1 if findings else 0)


@cases.command()
def show(
    case_no: Annotated[str, typer.Argument(metavar="CASE", help="Its number, as the ledger has it.")],
    service_no: Annotated[int, typer.Argument(metavar="SERVICE", help="The n-th service of the case.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Who says something of a service, the first on top: department, signed sender, versions, since when; * is what holds. Before
    that what persons decided, the last on top.
    """
    from pipeline.ledger.case_versions import ask
    from pipeline.times import shown

    settings = load()
    (said, decided), zone = ask(settings.database, case_no, service_no), settings.rules.zone
    if as_json:
        both = {"said": [one._asdict() for one in said], "decided": [one._asdict() for one in decided]}
        typer.echo(json.dumps(both, ensure_ascii=False, default=str))
        return
    for deed in decided:
        typer.echo(f"decided for {deed.dept_code} by {deed.decided_by}, {shown(deed.at, zone)}: {deed.why}")
    for one in said:
        times = f"{shown(one.first_at, zone)} to {shown(one.last_at, zone)}"
        sender = one.sender or "not signed"
        typer.echo(f"{'*' if one.holds else ' '} {one.dept_code}  {sender}  {one.versions}  {times}")
    if not said:
        typer.echo(f"no case record of {case_no}, service {service_no}")


@positions.command("list")
def list_positions() -> None:
    """Each topic and partition: the log's start and end, the ledger's position, the topic ids of both."""
    from pipeline.ledger.adopting import survey

    typer.echo(str(survey(load())))


@positions.command()
def skip(
    place: Annotated[str, typer.Argument(help="TOPIC/PARTITION/OFFSET, as `hcp status` says.")],
    why: Annotated[str, typer.Option(help="For the record.")],
) -> None:
    """Step over a record that is in the way of its partition: it becomes a dead letter, and a replay steps over it, too."""
    import getpass

    from pipeline.ledger import skipping

    if not why.strip():
        raise typer.BadParameter("--why is empty: say why this record is left out")
    typer.echo(skipping.skip(load(), skipping.place(place), why.strip(), getpass.getuser()))


@positions.command()
def adopt(
    topic: str,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be read, change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: for scripts that looked before.")] = False,
) -> None:
    """Let a topic that was made anew, or lost its end, follow its predecessor: the worker folds it from its start.

    Says what would be read, and asks.
    """
    from pipeline.ledger.adopting import adopt_topic

    settings = load()
    would = adopt_topic(settings, topic, dry_run=True)
    if not would:
        typer.echo(f"{topic}: nothing to adopt, its positions belong to the topic that the log has")
        return
    typer.echo("\n".join(would))
    if dry_run or not (yes or typer.confirm("Adopt it?")):
        return
    typer.echo("\n".join(adopt_topic(settings, topic, dry_run=False)))


@outbox.command("list")
def list_outbox(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """The rows that are set aside, the oldest first: id, stream, key, since when, why."""
    from pipeline.ledger.outbox_queue import opened, set_aside

    settings = load()
    with opened(settings) as connection:
        rows = [row.shown(settings.rules.time_zone) for row in set_aside(connection)]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        typer.echo("  ".join(str(value) for value in row.values()))
    typer.echo(f"{len(rows)} rows are set aside" if rows else "no row is set aside")


@outbox.command()
def retry(
    ids: Annotated[list[int] | None, typer.Argument(help="As `hcp outbox list` shows them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every row that is set aside.")] = False,
    by: Annotated[str, typer.Option(help="Who; the user of this shell if not given.")] = "",
) -> None:
    """Put rows back: the relay sends them again, within a second. What is refused again is set aside again."""
    from pipeline.ledger.outbox_queue import opened, put_back

    if bool(ids) == every:
        raise typer.BadParameter("name the rows, or give --all")
    with opened(load()) as connection:
        count = put_back(connection, None if every else ids, by or getpass.getuser())
    typer.echo(f"{count} rows will be sent again; `hcp outbox list` shows what is refused again")


@seals.command("list")
def list_months(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Each month: when its key was made, what it seals, when it is due to be destroyed or which tickets hold it, when it was."""
    from pipeline.ledger.key_retention import lines

    settings = load()
    months = lines(settings)
    if as_json:
        typer.echo(json.dumps([month.as_json() for month in months], ensure_ascii=False))
        return
    for month in months:
        typer.echo(month.shown(settings.rules.zone))
    if not months:
        typer.echo(f"no month has a key yet in {settings.seal.months.resolve()}")


@seals.command()
def destroy(
    month: Annotated[str, typer.Argument(help="Such as 2026-11, in UTC.")],
    why: Annotated[str, typer.Option(help="For the record.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: for scripts that looked before.")] = False,
) -> None:
    """Destroy a month's key before its time: nobody reads the identities and dead letters of that month again. Says what, and asks."""
    from datetime import UTC, datetime

    from pipeline.ledger.key_retention import line_of
    from pipeline.month_keys import MonthKeys

    if not why.strip():
        raise typer.BadParameter("--why is empty: say why this month's identities must not be read any more")
    settings, now = load(), datetime.now(UTC)
    line = line_of(settings, month, now)
    typer.echo(line.shown(settings.rules.zone))
    if not (yes or typer.confirm("Destroy its key? It cannot be undone.")):
        return
    MonthKeys(settings.seal.months).destroy(line.month, now, getpass.getuser(), why.strip())
    typer.echo("destroyed; processes that run know it within half a minute")


@app.command()
def erase(
    review: Annotated[str, typer.Argument(help="Its event id, or the number of its ticket.")],
    why: Annotated[str, typer.Option(help="For the record.")],
    by: Annotated[str, typer.Option(help="Who; the user of this shell if not given.")] = "",
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: for scripts that looked before.")] = False,
) -> None:
    """Erase who gave a review: name, phone and identity number cannot be read any more, here, after a replay or from a backup of the
    database. The review, its words, its ticket and all figures stay. Asks first.
    """
    from pipeline.ledger import erasing
    from pipeline.times import shown

    if not why.strip():
        raise typer.BadParameter("--why is empty: say why this identity must not be read any more")
    settings = load()
    event_id = erasing.named(settings, review)
    if not (yes or typer.confirm(f"Erase the identity of the review {event_id}? It cannot be undone.")):
        return
    done = erasing.erase(settings, event_id, by or getpass.getuser(), why.strip())
    typer.echo(
        f"the identity of {event_id} is erased: taken out of {done.reviews:,} reviews, {done.records:,} raw records and"
        f" {done.letters:,} dead letters"
    )
    if done.until is not None:
        until = shown(done.until, settings.rules.zone)
        typer.echo(f"on the log its bytes lie until {until}, as they were sent; nothing of ours opens them")
    for schema in done.left:
        typer.echo(
            f"the old ledger {schema} was not worked through, its version is too old: drop it (drop schema {schema} cascade)"
        )
