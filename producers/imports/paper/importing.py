"""From two keyings to reviews on the log: all of a batch or none of it, unless only what agrees is asked for."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pipeline.sealing import Sealer
from pipeline.settings import Settings
from producers.errors import CannotImportError
from producers.imports.cases import folder_of
from producers.imports.identity import seal, sealer_of
from producers.imports.paper.comparing import Agreed, Compared, Problem, compare, write_problems
from producers.imports.paper.form import COLUMN_OF, PERSONAL, Answers
from producers.imports.paper.keying import read_keying
from producers.imports.refusal import refusal
from producers.imports.sink import Connect
from producers.placeholders import ClaimedReview, is_placeholder, placeholders_of
from producers.publish import publisher
from producers.sheets.sheet_file import opened
from schemas.events import ReviewEvent
from schemas.identifiers import derived_id
from schemas.reading import Invalid, read

SOURCE = "/paper"


class PaperReview(ClaimedReview, kw_only=True):
    """A review, and where its paper is: the contract has no field for it, and keeps it with the raw record."""

    scan_ref: str = ""
    form_no: str = ""


class Outcome(NamedTuple):
    """What came of a batch. Each of its `forms` is published or in the `problems`, or would be (`dry_run`)."""

    batch: str
    forms: int
    unused: int
    published: int
    problems: int
    troubled: int
    listed: Path | None
    dry_run: bool

    def lines(self) -> list[str]:
        """For the screen."""
        done = f"{self.published:,} published"
        if self.dry_run:
            done = f"nothing published (--dry-run), {self.published:,} would be"
        head = f"batch {self.batch}: {self.forms:,} forms keyed, {done}, {self.troubled:,} not, {self.unused:,} unused"
        return [
            head,
            *(
                [f"differences and errors (需核对): {self.problems:,}, in {self.listed}"]
                if self.listed
                else []
            ),
        ]


def import_paper(
    settings: Settings,
    first: Path,
    second: Path,
    *,
    forms: int | None = None,
    placeholders: Iterable[str] = (),
    agreeing_only: bool = False,
    dry_run: bool = False,
    connect: Connect = publisher,
) -> Outcome:
    """Publish the reviews of a batch that two people keyed. Blocks. Again is harmless: a form's event id is its own.

    `forms`: how many came back, if the sheets do not say it. `placeholders`: case numbers on forms that stand for none.
    Raises CannotImportError, NotPublishedError: then nothing is published, or not all, and the same command does it again.
    """
    with opened(first) as one, opened(second) as other:
        if one.digest == other.digest:
            raise CannotImportError(
                f"{one.name} and {other.name} are one file: two people key apart, each into their own"
            )
        compared = compare(read_keying(one), read_keying(other), forms)
    received_at = datetime.now(UTC)
    events, problems = _events(settings, compared, received_at, _bare(placeholders))
    listed = _list(settings, compared.batch, problems)
    troubled = compared.forms - len(events)
    if troubled and not agreeing_only:
        rest = f"; --agreeing-only publishes the other {len(events)}" if events else ""
        raise CannotImportError(
            f"batch {compared.batch}: {troubled} of {compared.forms} forms differ or are wrong, nothing is published; see "
            f"{listed} (请对照原件，在写错的那份里改正后再导入){rest}"
        )
    if events and not dry_run:
        with connect(settings) as sink:
            for event in events:
                sink.send(event, SOURCE)
            sink.flush()
    return Outcome(
        compared.batch, compared.forms, compared.unused, len(events), len(problems), troubled, listed, dry_run
    )


def _bare(placeholders: Iterable[str]) -> Collection[str]:
    try:
        return placeholders_of(placeholders)
    except ValueError as error:
        raise CannotImportError(str(error)) from None


def _events(
    settings: Settings, compared: Compared, received_at: datetime, placeholders: Collection[str]
) -> tuple[list[PaperReview], list[Problem]]:
    named = any(both.answers.values[column] for both in compared.agreed.values() for column in PERSONAL)
    sealer = sealer_of(settings.seal) if named else None
    events, problems = [], list(compared.problems)
    for form, both in compared.agreed.items():
        try:
            event = review(compared.batch, form, both.answers, received_at, sealer)
            events.append(_without(placeholders, event))
        except Invalid as invalid:
            problems.append(_problem(form, both, invalid))
    return events, sorted(problems, key=lambda problem: problem.form)


def _problem(form: str, both: Agreed, invalid: Invalid) -> Problem:
    """Both keyed it alike, and no review can say it: somebody corrects it in both sheets."""
    field, message = refusal(invalid)
    return Problem(form, COLUMN_OF.get(field, ""), f"两份相同：{message}", both.row, other_row=both.other_row)


def review(
    batch: str, form: str, answers: Answers, received_at: datetime, sealer: Sealer | None
) -> PaperReview:
    """The review of a form, its identity sealed. The id is made of batch and form, so it is the same each time. Raises Invalid."""
    body: dict[str, Any] = answers.body() | {"event_id": str(derived_id("paper", batch, form))}
    event = read(ReviewEvent, msgspec.json.encode(body), received_at).event
    event.received_at = received_at
    if sealer is not None:
        seal(event, sealer, received_at)
    fields = {name: getattr(event, name) for name in ReviewEvent.__struct_fields__}
    return PaperReview(**fields, scan_ref=body["scan_ref"], form_no=form)


def _without(placeholders: Collection[str], event: PaperReview) -> PaperReview:
    """The number of no case becomes a claim, and the review one without a case."""
    if not is_placeholder(event.case_no, placeholders):
        return event
    return msgspec.structs.replace(event, claimed_case_no=event.case_no or "", case_no=None, service_no=1)


def _list(settings: Settings, batch: str, problems: list[Problem]) -> Path | None:
    file = folder_of(settings) / f"{batch}.differences.csv"
    if not problems:
        file.unlink(missing_ok=True)
        return None
    write_problems(file, problems)
    return file
