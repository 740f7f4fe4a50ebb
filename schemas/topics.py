"""The five topics of the log (`design.md`, 4), by what they carry."""

from enum import StrEnum


class Stream(StrEnum):
    """What a topic carries; the topic's full name is `Settings.kafka.topic(stream)`."""

    CASE = "case.v1"
    REVIEW = "review.v1"
    DECISION = "decision.v1"
    TICKET = "ticket.v1"
    DEAD_LETTER = "dead-letter.v1"


INPUTS = (Stream.CASE, Stream.REVIEW, Stream.DECISION)
"""What the worker folds."""
