"""Dead letters in words: a line each, a summary, one with everything that is known of it."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from pipeline.ledger.dead_letters import Letter, Line
from pipeline.ledger.portion import Part
from pipeline.privacy import mask, scrub
from pipeline.times import shown

HIDDEN = "(hidden: --clear shows it)"


def line(one: Line, zone: ZoneInfo) -> str:
    """A letter of a list."""
    return f"{one.name}  {shown(one.appended_at, zone)}  {one.state}  {one.reason}  {one.message}"


def as_json(one: Line) -> dict[str, Any]:
    """The same for programs."""
    rest = {
        "reason": one.reason,
        "message": one.message,
        "appended_at": one.appended_at.isoformat(),
        "state": one.state,
    }
    return {"name": str(one.name), **one.name._asdict(), **rest}


def summary(lines: Sequence[Line], what: str) -> str:
    """How many, and of which reasons; `what` is e.g. "open"."""
    if not lines:
        return f"no {what}dead letters"
    reasons = Counter(one.reason for one in lines).most_common()
    return f"{len(lines):,} {what}dead letters: " + ", ".join(f"{n:,} {reason}" for reason, n in reasons)


def whole(letter: Letter, history: Sequence[Row[Any]], zone: ZoneInfo, *, clear: bool) -> Iterator[str]:
    """Everything but the body, line by line. Identities in key and headers are masked, unless `clear`."""
    topic, partition, offset, topic_id = letter.name
    yield f"{letter.name}  {letter.line.state}"
    yield f"refused   {letter.line.reason}: {letter.line.message} (version {letter.version})"
    yield f"lay at    {topic}[{partition}] offset {offset}, topic id {topic_id}"
    yield f"taken     {shown(letter.line.appended_at, zone)} by the log"
    yield from _around(letter, clear=clear)
    for row in history:
        yield f"action    {_action(row, zone)}"


def _around(letter: Letter, *, clear: bool) -> Iterator[str]:
    if letter.parts is not None:
        yield f"kept      of {letter.records:,} records what --body shows: it cannot be sent again"
        return
    if letter.around is not None:
        yield "key       sealed, as the headers are: no key of ours opens them"
        return
    yield f"key       {_code(letter.key, clear=clear)}"
    for name, value in letter.headers:
        yield f"header    {_plain(name)}: {_code(value, clear=clear)}"


def body(parts: Mapping[str, Part], *, clear: bool) -> Iterator[str]:
    """What is kept of a letter, part by part; the value of an ordinary one needs no title."""
    for name, part in parts.items():
        if len(parts) > 1 or name != "value":
            cut = "" if len(part.data) == part.length else f", the first {len(part.data):,} of them are kept"
            yield f"{name}: {part.length:,} bytes{cut}, SHA-256 {part.sha256}"
        yield _bytes(part.data, clear=clear)


def _bytes(value: bytes, *, clear: bool) -> str:
    """A letter's bytes for the eye. Unless `clear`: numbers masked, the reviewer hidden; names in free text stay.

    Control characters are shown as escapes, so that a sender's bytes cannot steer the terminal.
    """
    text = value.decode("utf-8", "backslashreplace")
    return _plain(text if clear else scrub(_without_reviewer(text)))


def _without_reviewer(text: str) -> str:
    """JSON anew, so that no escape hides a digit; what is no JSON stays as it is."""
    try:
        found = json.loads(text)
        if isinstance(found, dict) and "reviewer" in found:
            found["reviewer"] = HIDDEN
        return json.dumps(found, ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text


def _action(row: Row[Any], zone: ZoneInfo) -> str:
    why = f": {row.reason}" if row.reason else ""
    event = f", event {row.event_id}" if row.event_id else ""
    sent = f" → {row.sent_topic}/{row.sent_partition}/{row.sent_offset}{event}" if row.sent_topic else ""
    again = ", refused again" if row.refused_again else ""
    return f"{shown(row.at, zone)} {row.action} by {row.actor}{why}{sent}{again}"


def _code(value: bytes | None, *, clear: bool) -> str:
    if value is None:
        return "–"
    text = value.decode("utf-8", "backslashreplace")
    return _plain(text if clear else mask(text))


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() or char == "\n" else f"\\u{ord(char):04x}" for char in text)
