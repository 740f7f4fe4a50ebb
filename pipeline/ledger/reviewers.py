"""What is kept of a reviewer: sealed, never open; and nothing of one whose identity was erased or has expired."""

import json
import re
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from pipeline.ledger.portion import Headers
from pipeline.sealing import CannotOpen, KeyDestroyed, Sealer
from schemas.events import Reason, Reviewer, ReviewEvent
from schemas.reading import MAX_BYTES, MOST_ID, Invalid, clean_text

MARK = "hcp_reviewer_mark"
"""Header of a raw record: the mark that the fold made of its reviewer. A replay has it also when the key is destroyed."""
EXPIRED = "identity_expired"
"""Flags a review whose reviewer was dropped: it came open, and the key of the month in which the log took it is destroyed."""
ERASED = "identity_erased"
"""Flags a review whose reviewer a person had erased (`pipeline.erasures`)."""
_BACKSLASH = 0x5C
_SEALED = re.compile(r"s1\.[0-9A-Za-z]+\.[0-9A-Za-z_-]{22,}")
_MARK = re.compile(b"[0-9a-f]{32}")
_NOBODY: dict[str, Any] = {}
"""In a raw record: somebody was named, of whom nothing is kept. A replay drops and flags it again."""


class Kept(NamedTuple):
    """The body as it may be kept, what is odd about its reviewer, and headers that a replay needs."""

    value: bytes
    flags: tuple[str, ...] = ()
    headers: Headers = ()


def keep(
    event: ReviewEvent, event_id: str, value: bytes, told: Headers, appended_at: datetime, sealer: Sealer
) -> Kept:
    """Seal what a foreign sender left open; drop what was erased, or has no key any more. Changes the event alike.

    What is kept is read again by a replay, so it must be valid, and a seal must give the mark that the open identity gave.
    `told`: the record's headers. Raises Invalid if it becomes too long.
    """
    reviewer = event.reviewer
    if reviewer is None and not event.reviewer_mark:
        return Kept(_without_repeats(value))
    if sealer.erasures.has(event_id):
        event.reviewer, event.reviewer_mark = None, ""
        return Kept(_written_anew(value, {"reviewer": _NOBODY, "reviewer_mark": ""}), (ERASED,))
    if reviewer is None:
        return Kept(_without_repeats(value))
    if isinstance(reviewer, str) and _SEALED.fullmatch(reviewer):
        return _sealed(event, event_id, reviewer, value, told, sealer)
    return _open(event, event_id, reviewer, value, appended_at, sealer)


def names_erased(value: bytes, headers: Headers, sealer: Sealer) -> bool:
    """Whether this record, which is no event, names one whose identity was erased. Raises KeyRingError.

    By its event id, in its body or the header `ce_id`, as the reader cleans them; of what is no JSON, by the id in quotes.
    """
    erased = sealer.erasures.now()
    if not erased:
        return False
    said = [text.decode("utf-8", "replace") for name, text in headers if name == "ce_id" and text]
    try:
        body = msgspec.json.decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        if any(msgspec.json.encode(event_id) in value for event_id in erased):
            return True
    else:
        said += [body["event_id"]] if isinstance(body, dict) and isinstance(body.get("event_id"), str) else []
    return any(len(name) <= MOST_ID and clean_text(name) in erased for name in said)


def _sealed(
    event: ReviewEvent, event_id: str, reviewer: str, value: bytes, told: Headers, sealer: Sealer
) -> Kept:
    kept = _without_repeats(value)
    if event.reviewer_mark:
        return Kept(kept)
    event.reviewer_mark = _mark(event_id, reviewer, sealer) or _told_mark(told)
    return Kept(kept, (), _with_mark(event))


def _open(
    event: ReviewEvent,
    event_id: str,
    reviewer: Reviewer | str,
    value: bytes,
    appended_at: datetime,
    sealer: Sealer,
) -> Kept:
    clear = Reviewer(name=reviewer) if isinstance(reviewer, str) else reviewer
    try:
        sealed = sealer.seal_reviewer(event_id, clear.name, clear.phone, clear.id_number, at=appended_at)
    except KeyDestroyed:
        event.reviewer = None
        return Kept(_written_anew(value, {"reviewer": _NOBODY}), (EXPIRED,))
    event.reviewer = sealed
    kept = _written_anew(value, {"reviewer": sealed})
    if event.reviewer_mark:
        return Kept(kept)
    event.reviewer_mark = sealer.mark_of(clear)
    return Kept(kept, (), _with_mark(event))


def _with_mark(event: ReviewEvent) -> Headers:
    """A mark of ours, which is not in the body."""
    return ((MARK, event.reviewer_mark.encode()),) if event.reviewer_mark else ()


def _mark(event_id: str, sealed: str, sealer: Sealer) -> str:
    """The mark of a sealed identity; none if it is not ours to open."""
    try:
        reviewer = sealer.open_reviewer(event_id, sealed)
    except (CannotOpen, msgspec.MsgspecError):
        return ""
    return sealer.mark_of(reviewer)


def _told_mark(headers: Headers) -> str:
    """The mark of a sealed identity that does not open any more, as the fold made it when it did."""
    told = [said for name, said in headers if name == MARK and said and _MARK.fullmatch(said)]
    return told[0].decode() if told else ""


def _may_repeat(value: bytes) -> bool:
    """Whether an identity may stand in this JSON under a key that comes again, perhaps escaped."""
    return value.count(b'"reviewer"') > 1 or (_BACKSLASH in value and b"\\u00" in value)


def _without_repeats(value: bytes) -> bytes:
    """This JSON without what stands in it under a key that comes again: the last one counts, the first may be in clear."""
    if not _may_repeat(value):
        return value
    repeated = False

    def note(pairs: list[tuple[str, Any]]) -> None:
        nonlocal repeated
        repeated = repeated or len(dict(pairs)) < len(pairs)

    json.loads(value, object_pairs_hook=note, parse_int=float)
    return _written_anew(value, {}) if repeated else value


def _written_anew(value: bytes, other: dict[str, Any]) -> bytes:
    """This JSON object with each key once, and `other` fields of it."""
    body: dict[str, Any] = msgspec.json.decode(value)
    written = msgspec.json.encode(body | other)
    if len(written) > MAX_BYTES:
        raise Invalid(
            Reason.TOO_LARGE,
            f"{len(written)} bytes with the reviewer sealed, at most {MAX_BYTES} are allowed",
        )
    return written
