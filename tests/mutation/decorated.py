"""What mutmut passes over in the rules: decorated classes and functions, such as our dataclasses' methods and defaults.

`make mutants` runs it after mutmut; it blocks for minutes, prints each mutant that was not killed as a difference, and after
each file how many met which fate.
"""

import sys

from tests.mutation.changes import Decorated
from tests.mutation.trial import ROOT, Trial, copied

TESTS = ("tests/rules", "tests/schemas")


def main() -> None:
    """The files named, or all of the rules. Exits with a message if the tests fail without a mutant."""
    with copied() as tree:
        trial = Trial(tree, TESTS)
        for file in sys.argv[1:] or sorted(
            str(p.relative_to(ROOT)) for p in ROOT.glob("pipeline/rules/*.py")
        ):
            print(file, dict(trial.file(file, Decorated)), flush=True)


if __name__ == "__main__":
    main()
