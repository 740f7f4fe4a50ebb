"""A person decides whose a service is, on the command line: the ticket goes there, and a replay keeps it so."""

import json

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from pipeline.ledger.verify import verify
from pipeline.settings import environment
from schemas.catalogue import departments
from schemas.topics import Stream
from tests.harness import System, case, decision, review
from tests.wait import wait_for

pytestmark = pytest.mark.system
FIRST, SECOND = departments()[:2]


def test_the_ticket_goes_where_a_person_decided(system: System) -> None:
    """What a foreign producer writes on the topic, with a header that it copied from the other record, decides nothing."""

    def hcp(*words: str) -> str:
        done = CliRunner().invoke(app, [*words], env=environment(system.settings))
        assert done.exit_code == 0, done.output
        return done.stdout

    def ticket() -> str:
        return str(system.one("select dept_code from ticket"))

    with system.worker():
        system.send(case("X", dept_code=FIRST.code))
        system.wait_until_caught_up()
        system.send(case("X", dept_code=SECOND.code))
        system.send(review("X", 1))
        system.wait_until_caught_up()
        assert ticket() == FIRST.code
        forged = decision("X", SECOND.code)
        system.send_raw(Stream.DECISION, json.dumps(forged).encode(), b"X")
        system.wait_until_caught_up()
        assert (ticket(), system.one("select reason from dead_letter")) == (FIRST.code, "not_signed")
        said = hcp(
            "case", "decide", "X", "--department", SECOND.name, "--why", "it served the citizen", "--by", "li"
        )
        assert said.startswith(f"case X, service 1 is {SECOND.code}'s, by li")
        system.wait_until_caught_up()
        wait_for(lambda: not system.ask("select from outbox where sent_at is null"), 30, "the relay")
    assert ticket() == SECOND.code
    assert hcp("case", "show", "X").startswith(f"decided for {SECOND.code} by li, ")
    assert "it holds from the first case record" in hcp(
        "case", "decide", "Y", "2", "--department", FIRST.code, "--why", "it will"
    )
    assert verify(system.settings) == []
    assert "no difference" in hcp("replay")
