"""The fold's Python: every mutant of it, those of decorated code and of constants among them.

`make mutants` runs it last; it blocks for an hour or two, prints each mutant that was not killed as a difference, and after
each file how many met which fate.
"""

import sys

from tests.mutation.changes import Whole
from tests.mutation.standing import standing
from tests.mutation.trial import Trial, copied

ALONE = (
    "tests/ledger/test_copying.py",
    "tests/ledger/test_decode.py",
    "tests/ledger/test_outbox.py",
    "tests/ledger/test_portion.py",
    "tests/ledger/test_raw.py",
)
"""Without servers."""
SPOKEN = (
    "tests/ledger/test_batches.py",
    "tests/ledger/test_held.py",
    "tests/ledger/test_positions.py",
    "tests/ledger/test_fold.py",
    "tests/ledger/test_dead_letters.py",
    "tests/ledger/test_meeting.py",
    "tests/ledger/test_positions_machine.py",
)
"""Against PostgreSQL."""
FILES = {
    f"pipeline/ledger/{name}.py": tests
    for names, tests in (
        (("fold", "held", "write", "positions"), SPOKEN),
        (("copying", "rows", "outbox"), (*ALONE, *SPOKEN)),
        (("decode", "raw", "portion"), ALONE),
    )
    for name in names
} | {"schemas/reading.py": ("tests/schemas", *ALONE)}


def main() -> None:
    """The files named, or all of them. Exits with a message if the tests fail without a mutant."""
    with copied() as tree, standing():
        trials: dict[tuple[str, ...], Trial] = {}
        for file in sys.argv[1:] or FILES:
            tests = FILES[file]
            if tests not in trials:
                trials[tests] = Trial(tree, tests)
            print(file, dict(trials[tests].file(file, Whole)), flush=True)


if __name__ == "__main__":
    main()
