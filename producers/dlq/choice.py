"""Which letters a command is about: those that it names, or all of a filter."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from pipeline.ledger.dead_letters import Filter, Name, State, called, find
from producers.errors import DeadLetterError
from schemas.events import REASONS


def named(connection: Connection, words: Sequence[str]) -> list[Name]:
    """The letters of these names, each once, in this order. Blocks. Raises DeadLetterError."""
    return list(dict.fromkeys(_named(connection, word) for word in words))


def wanted(
    reasons: Sequence[str], since: str | None, until: str | None, states: Sequence[State], zone: ZoneInfo
) -> Filter:
    """A filter in a person's words; a time without an offset is one of `zone`. Raises DeadLetterError."""
    for reason in reasons:
        if reason not in REASONS:
            raise DeadLetterError(f"--reason {reason}: there are only {', '.join(REASONS)}")
    return Filter(reasons, _time("--since", since, zone), _time("--until", until, zone), states)


def chosen(connection: Connection, words: Sequence[str], among: Filter, *, all_of_filter: bool) -> list[Name]:
    """The named ones, or all of the filter if that was said. Blocks. Raises DeadLetterError."""
    if words:
        if all_of_filter or among.reasons or among.since or among.until:
            raise DeadLetterError("names and a filter do not go together: give one of them")
        return named(connection, words)
    found = [line.name for line in find(connection, among)]
    if not all_of_filter:
        raise DeadLetterError(
            f"which ones? Name them (`hcp dlq list`), or say --all-of-filter for the {len(found):,} of this filter"
        )
    return found


def _named(connection: Connection, word: str) -> Name:
    match word.split("/"):
        case [topic, partition, offset, *topic_id] if partition.isdecimal() and offset.isdecimal():
            found = called(connection, topic, int(partition), int(offset))
            found = [name for name in found if not topic_id or topic_id == [name.topic_id]]
        case _:
            raise DeadLetterError(f"{word} is no name of a dead letter: topic/partition/offset is one")
    if not found:
        raise DeadLetterError(f"there is no dead letter {word}: `hcp dlq list --all` names all")
    if len(found) > 1:
        names = ", ".join(f"{name}/{name.topic_id}" for name in found)
        raise DeadLetterError(f"{word} is more than one letter, for its topic was made anew: say {names}")
    return found[0]


def _time(option: str, words: str | None, zone: ZoneInfo) -> datetime | None:
    if words is None:
        return None
    try:
        at = datetime.fromisoformat(words)
    except ValueError:
        raise DeadLetterError(f"{option} {words}: a day (2026-11-23) or a time (2026-11-23T08:30)") from None
    return at if at.tzinfo else at.replace(tzinfo=zone)
