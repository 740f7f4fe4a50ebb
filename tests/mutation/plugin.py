"""A pytest plugin for the runs over mutants: the same examples each time, and no time lost on making them small.

mutmut 3.7 is the last that agrees with Faust's click, and asks a test for `_nodeid`, which pytest 9.2 has no more. It tries each
mutant in a fork of a process that has run all tests: what that one kept of its answers must be forgotten first.
"""

import sys

import pytest
from hypothesis import Phase, settings

pytest.Item._nodeid = property(lambda item: item.nodeid)  # type: ignore[attr-defined]
settings.register_profile(
    "mutants", settings.get_profile("ci"), phases=[Phase.explicit, Phase.generate], deadline=None
)


def pytest_runtest_setup() -> None:
    """Forget what functions of the rules answered to earlier tests, or before this mutant."""
    for name in [name for name in sys.modules if name.startswith("pipeline.rules")]:
        for member in vars(sys.modules[name]).values():
            forget = getattr(member, "cache_clear", None)
            if callable(forget):
                forget()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Single stories first: most mutants are killed before a history has to be made up."""
    items.sort(key=lambda item: hasattr(getattr(item, "obj", None), "hypothesis"))
