"""The promise can be broken: a worker without one of its guards breaks it, and the suite says so."""

from contextlib import ExitStack

import pytest

from tests.liveness.conftest import Grounds
from tests.liveness.failing import ERRORS, refused
from tests.liveness.twins import PARTITION, REFUSED, TWINS

pytestmark = pytest.mark.system
SECONDS = 15.0
"""Long enough for a worker that is whole, as the other tests show; a broken one is not waited for in vain."""


@pytest.mark.proof
@pytest.mark.parametrize("name", TWINS)
def test_a_broken_twin_breaks_the_promise(name: str, grounds: Grounds) -> None:
    twin = TWINS[name]
    with ExitStack() as stack:
        ground = grounds.make(stack, twin.code)
        ground.start()
        stack.enter_context(refused(ground.system, PARTITION[0], REFUSED, ERRORS[0]))
        twin.strike(ground)
        with pytest.raises(AssertionError, match="no ticket at its department"):
            ground.keep(but=PARTITION, seconds=SECONDS)
