"""`hcp dlq list | show | retry | edit | discard`."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.ledger.dead_letters import Name
    from pipeline.settings import Settings
    from producers.dlq.acting import Report

app = typer.Typer(help="Dead letters: records that the worker could not read.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(help="topic/partition/offset, as `hcp dlq list` shows.")]
Reasons = Annotated[list[str] | None, typer.Option("--reason", help="Only of this reason; may be repeated.")]
Since = Annotated[str | None, typer.Option(help="Taken by the log at this time or later.")]
Until = Annotated[str | None, typer.Option(help="Taken by the log before this time.")]
AllOfFilter = Annotated[bool, typer.Option("--all-of-filter", help="All open ones of the filter.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, do nothing.")]
Again = Annotated[bool, typer.Option("--again", help="Also if something was done with it before.")]


@app.command("list")
def list_letters(
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    every: Annotated[bool, typer.Option("--all", help="Not only the open ones.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The open dead letters, the oldest first, and how many of each reason."""
    from pipeline.ledger.dead_letters import State, find
    from pipeline.settings import load
    from producers.dlq import showing
    from producers.dlq.acting import ledger
    from producers.dlq.choice import wanted

    settings = load()
    zone = settings.rules.zone
    among = wanted(reason or (), since, until, () if every else (State.OPEN,), zone)
    with ledger(settings) as pool, pool.connect() as connection:
        lines = find(connection, among)
    if as_json:
        typer.echo(json.dumps([showing.as_json(line) for line in lines], ensure_ascii=False))
        return
    for line in lines:
        typer.echo(showing.line(line, zone))
    typer.echo(showing.summary(lines, "" if every else "open "))


@app.command()
def show(
    names: Annotated[list[str], typer.Argument(help="topic/partition/offset.")],
    body: Annotated[bool, typer.Option("--body", help="Its bytes, too, numbers masked.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Mask nothing.")] = False,
) -> None:
    """What is known of a letter, and what was done with it; its body only with --body."""
    from pipeline.ledger.dead_letters import history, whole
    from pipeline.sealing import Sealer
    from pipeline.settings import load
    from producers.dlq import showing
    from producers.dlq.acting import ledger, parts, readable
    from producers.dlq.choice import named

    settings = load()
    with ledger(settings) as pool, pool.connect() as connection:
        letters = whole(connection, named(connection, names))
        told = [(letter, history(connection, letter.name)) for letter in letters]
    for letter, deeds in told:
        for line in showing.whole(readable(letter, settings.seal), deeds, settings.rules.zone, clear=clear):
            typer.echo(line)
        if body:
            typer.echo("the body may hold personal data: show it to nobody who need not see it", err=True)
            for line in showing.body(parts(letter, Sealer(settings.seal)), clear=clear):
                typer.echo(line)


@app.command()
def retry(
    names: Names = None,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    all_of_filter: AllOfFilter = False,
    again: Again = False,
    dry_run: DryRun = False,
) -> None:
    """Send letters through the log again, with their first received_at: after a fix of ours, or a fold_error."""
    from pipeline.settings import load
    from producers.dlq import acting
    from producers.progress import bar

    settings = load()
    chosen = _chosen(settings, names, (reason, since, until), all_of_filter=all_of_filter, again=again)
    with bar("dead letters") as progress:
        report = acting.retry(settings, chosen, again=again, dry_run=dry_run, progress=progress)
    _tell(report, "would be sent again (--dry-run)" if dry_run else "sent again")


@app.command()
def edit(
    names: Names = None,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    all_of_filter: AllOfFilter = False,
    again: Again = False,
) -> None:
    """Open a letter's body in $EDITOR, check it and send it; the original stays. Several: one after the other."""
    from pipeline.settings import load
    from producers.dlq import editing
    from producers.errors import DeadLetterError

    settings, failed = load(), False
    chosen = _chosen(settings, names, (reason, since, until), all_of_filter=all_of_filter, again=again)
    for name in chosen:
        try:
            report = editing.edit(settings, name, _ask_again, again=again)
        except DeadLetterError as error:  # the next one may still be mended
            typer.echo(f"hcp: {error}", err=True)
            failed = True
        else:
            _tell(report, f"sent as edited: {name}")
    raise typer.Exit(failed)


@app.command()
def discard(
    why: Annotated[str, typer.Option("--why", help="The reason, for the record.")],
    names: Names = None,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    all_of_filter: AllOfFilter = False,
    dry_run: DryRun = False,
) -> None:
    """Give letters up, with a reason; they stay in the ledger, but are no longer open."""
    from pipeline.settings import load
    from producers.dlq import acting
    from producers.progress import bar

    settings = load()
    if not why.strip():
        raise typer.BadParameter("--why is empty: say why nobody needs these records")
    chosen = _chosen(settings, names, (reason, since, until), all_of_filter=all_of_filter)
    with bar("dead letters") as progress:
        report = acting.discard(settings, chosen, why.strip(), dry_run=dry_run, progress=progress)
    _tell(report, "would be discarded (--dry-run)" if dry_run else "discarded")


def _chosen(
    settings: "Settings",
    names: Sequence[str] | None,
    words: tuple[Sequence[str] | None, str | None, str | None],
    *,
    all_of_filter: bool,
    again: bool = False,
) -> list["Name"]:
    """The letters meant. What was discarded or edited is taken up again only by name."""
    from pipeline.ledger.dead_letters import State
    from producers.dlq.acting import ledger
    from producers.dlq.choice import chosen, wanted

    states = (State.OPEN, State.RETRIED) if again else (State.OPEN,)
    reasons, since, until = words
    among = wanted(reasons or (), since, until, states, settings.rules.zone)
    with ledger(settings) as pool, pool.connect() as connection:
        return chosen(connection, names or (), among, all_of_filter=all_of_filter)


def _tell(report: "Report", done: str) -> None:
    typer.echo(f"{report.done:,} {done}")
    for name, state in report.left:
        typer.echo(f"{name}: left alone, it is already {state} (retry and edit: --again does it once more)")
    for name, refusal in report.refused:
        typer.echo(f"{name}: today's reader refuses it too ({refusal}): it comes back as a new dead letter")
    for name, sentence in report.failed:
        typer.echo(f"hcp: {name}: {sentence}", err=True)
    if report.failed:
        raise typer.Exit(1)


def _ask_again(trouble: str) -> bool:
    """Ask a person; where there is none, the answer is no."""
    if not sys.stdin.isatty():
        return False
    typer.echo(trouble)
    return typer.confirm("Edit it again?", default=True)
