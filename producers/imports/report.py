"""What came of an import, in numbers and in lines for the screen: each row is in exactly one of them."""

from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from producers.imports.inspecting import Summary
from producers.imports.intake import Counts
from producers.imports.shift import said
from producers.sheets.names import escaped


class Report(NamedTuple):
    """`counts` says where the rows went; of the mapped ones `published` by this run, `earlier` by those before.

    `errors`, `remarks`: the lists for officers, None if there is nothing in them.
    """

    name: str
    counts: Counts
    published: int
    earlier: int
    summary: Summary
    errors: Path | None
    remarks: Path | None
    shift: timedelta = timedelta()
    dry_run: bool = False

    @property
    def rows(self) -> int:
        """In the file."""
        return self.counts.rows

    def lines(self) -> list[str]:
        """For the screen."""
        shared = self.counts.shared
        return [
            self._fates(),
            *self.summary.lines(),
            *(
                [f"case numbers (办件编号): {shared:,} rows have one that others have too; kept apart"]
                if shared
                else []
            ),
            *(
                [f"rows with something to mend (需更正): {escaped(str(self.remarks))}"]
                if self.remarks
                else []
            ),
            f"times: {said(self.shift)}",
        ]

    def _fates(self) -> str:
        counts = self.counts
        done = f"{self.published:,} published"
        if self.dry_run:
            done = f"nothing published (--dry-run), {counts.mapped:,} would be"
        earlier = f", {self.earlier:,} by an earlier run" if self.earlier else ""
        return (
            f"{self.name}: {counts.rows:,} rows, {done}{earlier}, {counts.repeated:,} duplicate in the file, "
            f"{counts.unmapped:,} not mapped"
        )
