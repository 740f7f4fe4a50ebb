"""Receipt numbers: an id and its number are the same thing, however a person types it."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from schemas.identifiers import uuid7
from schemas.receipt import ALPHABET, event_of, new_event_id, number_of

times = st.datetimes(datetime(2025, 1, 2), datetime(2058, 1, 1), timezones=st.just(UTC))
numbers = st.text(ALPHABET, min_size=12, max_size=12)


@given(times)
def test_the_number_is_the_id_again(now: datetime) -> None:
    event_id = new_event_id(now)
    assert event_of(number_of(event_id)) == event_id
    whole = UUID(event_id)
    assert (whole.version, whole.int >> 80) == (7, int(now.timestamp()) * 1000)


@given(numbers)
def test_every_number_has_an_id(number: str) -> None:
    assert number_of(event_of(number)).replace("-", "") == number


def test_it_is_read_as_people_write() -> None:
    number = number_of(new_event_id(datetime(2026, 11, 23, tzinfo=UTC)))
    assert [len(group) for group in number.split("-")] == [4, 4, 4]
    spoken = number.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert event_of(f" {spoken} ") == event_of(number)
    assert event_of(number.replace("1", "I")) == event_of(number)


@given(st.text(max_size=20))
def test_other_words_are_no_number(words: str) -> None:
    event_id = event_of(words)
    assert event_id == "" or number_of(event_id)


def test_a_foreign_id_has_no_number() -> None:
    for event_id in ("", "x", str(uuid7()), str(uuid7(0, 1)), "019a0000-0000-7000-8000-00000000000G"):
        assert number_of(event_id) == ""
    own = new_event_id(datetime(2026, 11, 23, tzinfo=UTC))
    assert number_of(own.upper()) == "", "an id has one form"
    assert len({new_event_id(datetime(2026, 11, 23, tzinfo=UTC)) for _ in range(200)}) == 200
