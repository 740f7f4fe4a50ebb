"""What becomes of each row of a delivery: which errors are the row's, which the moment's."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest
from kafka.errors import (
    CorruptRecordError,
    InvalidRecordError,
    InvalidTimestampError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from pipeline.worker.delivery import Delivery

GOOD, BAD, LAST = 1, 2, 3


class Row(NamedTuple):
    id: int
    key: bytes
    value: bytes | None = b"value"
    headers: Sequence[list[str | None]] = ()


class Producer:
    """Answers by the record's key: a function of how often it was asked for it; an exception is a failure."""

    def __init__(self, bad: Callable[[int, dict[str, Any]], Exception | None]) -> None:
        self.bad, self.asked = bad, 0
        self.sent: list[tuple[bytes, bytes | None, dict[str, bytes]]] = []

    def send(self, topic: str, **record: Any) -> Any:
        assert topic == "t"
        self.asked += record["key"] == b"bad"
        error = self.bad(self.asked, record) if record["key"] == b"bad" else None
        if error is None:
            self.sent.append((record["key"], record["value"], dict(record["headers"])))
        return Future(error)


class Future(NamedTuple):
    error: Exception | None

    def get(self, seconds: float) -> None:
        assert 0 <= seconds <= 5
        if self.error is not None:
            raise self.error


ROWS = [Row(GOOD, b"good"), Row(BAD, b"bad"), Row(LAST, b"last")]


def delivered(producer: Producer, *rows: Row, may_leave_out: bool = False) -> Delivery:
    made = Delivery(producer, "t", may_leave_out=may_leave_out)
    made.run(rows or ROWS)  # type: ignore[arg-type]  # rows as a query would give them
    return made


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (MessageSizeTooLargeError(None), "too large: 8 bytes; the topic's max.message.bytes"),
        (RecordListTooLargeError(), "too large: 8 bytes"),
        (InvalidRecordError("no key"), "InvalidRecordError: no key"),
        (TypeError("no bytes"), "TypeError: no bytes"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), "UnicodeEncodeError: utf-8"),
    ],
)
def test_what_is_refused_for_what_it_is_is_set_aside(error: Exception, why: str) -> None:
    made = delivered(producer := Producer(lambda *_: error))
    assert (sorted(made.sent), made.error, producer.asked) == ([GOOD, LAST], None, 2)
    assert made.refused[BAD].startswith(why)


@pytest.mark.parametrize(
    "error",
    [
        KafkaTimeoutError(), UnknownTopicOrPartitionError(), NotEnoughReplicasError(), InvalidTimestampError(),
        CorruptRecordError(), TopicAuthorizationFailedError(), KafkaError("part of a batch"), OSError(), ValueError(),
    ],
)  # fmt: skip
def test_an_error_of_the_moment_sets_nothing_aside_and_keeps_what_was_acknowledged(error: Exception) -> None:
    made = delivered(Producer(lambda *_: error))
    assert (sorted(made.sent), made.refused, made.error) == ([GOOD, LAST], {}, error)


@pytest.mark.parametrize("later", [None, KafkaTimeoutError()])
def test_a_row_that_was_refused_among_others_has_another_try_alone(later: Exception | None) -> None:
    made = delivered(Producer(lambda asked, _: InvalidRecordError() if asked == 1 else later))
    assert sorted(made.sent) == ([GOOD, LAST] if later else [GOOD, BAD, LAST])
    assert (made.refused, made.error) == ({}, later)


def test_when_sending_itself_fails_what_is_under_way_is_still_waited_for() -> None:
    class Torn(Producer):
        def send(self, topic: str, **record: Any) -> Any:
            if record["key"] == b"bad":
                raise KafkaTimeoutError
            return super().send(topic, **record)

    made = delivered(Torn(lambda *_: None))
    assert (made.sent, made.refused, type(made.error)) == ([GOOD], {}, KafkaTimeoutError)


def too_large(_: int, record: dict[str, Any]) -> Exception | None:
    size = sum(len(value) for _, value in record["headers"]) + len(record["value"] or b"")
    return MessageSizeTooLargeError() if size > 200 else None


def test_a_dead_letter_that_is_too_large_goes_without_its_value() -> None:
    row = Row(BAD, b"bad", b"x" * 500, [["hcp_reason", "YQ=="], ["without value", None]])
    made = delivered(producer := Producer(too_large), row, may_leave_out=True)
    assert (made.sent, made.refused) == ([BAD], {})
    ((_, value, headers),) = producer.sent
    assert value == b""
    assert headers == {
        "hcp_reason": b"a",
        "hcp_value_left_out": b"too_large",
        "hcp_length": b"500",
        "hcp_sha256": hashlib.sha256(b"x" * 500).hexdigest().encode(),
    }


@pytest.mark.parametrize(("headers", "may_leave_out"), [([["h", "YWFh" * 100]], True), ([], False)])
def test_what_is_too_large_without_it_or_may_not_go_so_is_set_aside(
    headers: Sequence[list[str | None]], may_leave_out: bool
) -> None:
    made = delivered(Producer(too_large), Row(BAD, b"bad", b"x" * 500, headers), may_leave_out=may_leave_out)
    assert made.sent == []
    assert ("without its value" in made.refused[BAD]) == may_leave_out
