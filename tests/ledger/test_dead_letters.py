"""The state of dead letters, filters over them, and what is on record, in real PostgreSQL."""

from datetime import timedelta

import pytest

from pipeline.ledger import dead_letters
from pipeline.ledger.dead_letters import Action, Deed, Filter, Name, State
from pipeline.ledger.figures import figures
from tests.ledger.test_fold import Ledger, book  # noqa: F401  `book` is a fixture
from tests.letters import APPENDED, letters_of, refuse, unreadable

pytestmark = pytest.mark.system
S = timedelta(seconds=1)


@pytest.fixture
def three(book: Ledger) -> list[Name]:  # noqa: F811
    """Two reasons, a second apart."""
    refuse(book, b"{", b"[]", b"{")
    return [line.name for line in letters_of(book)]


def act(book: Ledger, name: Name, *actions: Action) -> None:  # noqa: F811
    with book.pool.begin() as connection:
        dead_letters.record(connection, [Deed(name, action, "me", "why") for action in actions])


@pytest.mark.parametrize(
    ("wanted", "offsets"),
    [
        (Filter(), [0, 1, 2]),
        (Filter(["not_json"]), [0, 2]),
        (Filter(["not_json", "not_an_object"]), [0, 1, 2]),
        (Filter(["fold_error"]), []),
        (Filter(since=APPENDED + S), [1, 2]),
        (Filter(until=APPENDED + S), [0]),
        (Filter(["not_json"], APPENDED + S, APPENDED + 3 * S), [2]),
    ],
)
def test_filters_by_reason_and_time(
    book: Ledger,  # noqa: F811
    three: list[Name],
    wanted: Filter,
    offsets: list[int],
) -> None:
    assert [line.name.offset for line in letters_of(book, wanted)] == offsets


def test_the_last_action_is_the_state(book: Ledger, three: list[Name]) -> None:  # noqa: F811
    act(book, three[0], Action.RETRY)
    act(book, three[1], Action.RETRY, Action.EDIT, Action.DISCARD)
    states = {line.name: line.state for line in letters_of(book, Filter(states=()))}
    assert states == {three[0]: State.RETRIED, three[1]: State.DISCARDED, three[2]: State.OPEN}
    for state, name in ((State.OPEN, three[2]), (State.RETRIED, three[0]), (State.DISCARDED, three[1])):
        assert [line.name for line in letters_of(book, Filter(states=[state]))] == [name]
    both = Filter(states=[State.OPEN, State.RETRIED])
    assert [line.name for line in letters_of(book, both)] == [three[0], three[2]]
    with book.pool.connect() as connection:
        history = dead_letters.history(connection, three[1])
        assert [(row.action, row.actor, row.reason) for row in history] == [
            (action.value, "me", "why") for action in (Action.RETRY, Action.EDIT, Action.DISCARD)
        ]
        known = figures(connection, book.settings)
    assert (known.dead_letters_open, sum(known.dead_letters.values())) == (1, 3)


def test_a_topic_made_anew_has_letters_of_its_own(book: Ledger, three: list[Name]) -> None:  # noqa: F811
    act(book, three[0], Action.DISCARD)
    book.ask("update dead_letter set topic_id = 'anew' where \"offset\" = 0 returning 1")
    book.connection.commit()
    assert [line.state for line in letters_of(book)] == [State.OPEN] * 3, (
        "the action was another topic's letter's"
    )


def test_the_whole_letter_opens_again(book: Ledger) -> None:  # noqa: F811
    refuse(book, unreadable())
    with book.pool.connect() as connection:
        (letter,) = dead_letters.whole(connection, [line.name for line in letters_of(book)])
    sealer = book.folder.sealer
    assert b'"satisfaction": "5"' in letter.open(sealer)
    assert (letter.key, letter.headers, letter.line.reason) == (None, (), "wrong_type")
    opened = letter.unsealed(sealer)
    assert (opened.key, opened.headers, opened.around) == (b"k", (), None)


def test_a_letter_of_an_earlier_version_has_its_key_and_headers_as_they_are(book: Ledger) -> None:  # noqa: F811
    refuse(book, unreadable())
    book.ask("""update dead_letter set around = null, key = 'k', headers = '[["x", "MQ=="]]' returning 1""")
    book.connection.commit()
    with book.pool.connect() as connection:
        (letter,) = dead_letters.whole(connection, [line.name for line in letters_of(book)])
    assert letter.unsealed(book.folder.sealer) == letter
    assert (letter.key, letter.headers) == (b"k", (("x", b"1"),))
