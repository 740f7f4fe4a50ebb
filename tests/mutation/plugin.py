"""A pytest plugin for the runs over mutants: the same examples each time, and no time lost on making them small.

mutmut 3.7 is the last that agrees with Faust's click, and asks a test for `_nodeid`, which pytest 9.2 has no more.
"""

import pytest
from hypothesis import Phase, settings

pytest.Item._nodeid = property(lambda item: item.nodeid)  # type: ignore[attr-defined]
settings.register_profile(
    "mutants", settings.get_profile("ci"), phases=[Phase.explicit, Phase.generate], deadline=None
)
