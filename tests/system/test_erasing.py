"""An identity is erased while the worker folds: what comes later of it is not kept, and a replay of the log has nobody."""

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from pipeline.ledger.verify import verify
from pipeline.settings import environment
from tests.harness import System, case, review

pytestmark = pytest.mark.system
WHO = {"name": "李四", "phone": "13900001234"}


def test_who_gave_a_review_is_erased_for_good(system: System) -> None:
    def hcp(*words: str) -> str:
        done = CliRunner().invoke(app, [*words], env=environment(system.settings))
        assert done.exit_code == 0, done.output
        return done.stdout

    def reviewers() -> list[tuple[object, ...]]:
        return system.ask(
            "select event_id, reviewer is null, reviewer_mark = '', flags from review order by 1"
        )

    mine, other = (review(number, 1, event_id=number, reviewer=WHO) for number in ("mine", "other"))
    with system.worker():
        system.send(case("mine"), mine, other)
        system.wait_until_caught_up()
        ticket = str(system.one("select ticket_id from ticket where event_id = 'mine'"))
        said = hcp("erase", ticket, "--why", "the citizen asks for it", "--yes")
        assert said.startswith(
            "the identity of mine is erased: taken out of 1 reviews, 1 raw records and 0 dead"
        )
        assert "on the log its bytes lie until " in said
        system.send(mine)
        system.wait_until_caught_up()
    erased = ("mine", True, True, ["identity_erased"])
    assert reviewers() == [erased, ("other", False, False, [])]
    assert verify(system.settings) == []
    for source in ("log", "raw"):
        assert "no difference" in hcp("replay", "--source", source)
        (schema,) = system.ask(
            "select max(schema_name) from information_schema.schemata where schema_name like 'replay_%'"
        )[0]
        replayed = (
            f"select event_id, reviewer is null, reviewer_mark = '', flags from {schema}.review order by 1"
        )
        assert system.ask(replayed) == reviewers()
