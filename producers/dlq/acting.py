"""Retrying, sending edited and discarding dead letters: each action acknowledged first, then on record, once."""

import os
import pwd
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from pipeline.ledger import dead_letters
from pipeline.ledger.dead_letters import Action, Deed, Letter, Name, State
from pipeline.ledger.engine import opened_engine
from pipeline.ledger.portion import Part
from pipeline.ledger.received import signed_since
from pipeline.seal_keys import Seal
from pipeline.sealing import CannotOpen, IdentityErased, KeyDestroyed, Sealer
from pipeline.settings import NotConfiguredError, Settings
from producers.dlq.outgoing import Outgoing, first_received, outgoing
from producers.errors import DeadLetterError, NotPublishedError, TooLargeError
from producers.publish import Publisher, Sent, publisher

LETTERS_A_TURN = 200
"""Sent, acknowledged and recorded together: a crash sends fewer than these twice. At 64 KiB each that is 13 MB."""

Progress = Callable[[int, int | None], None]
Prepare = Callable[[Letter], Outgoing]
"""Makes the record of a letter. Raises DeadLetterError."""


@dataclass(slots=True)
class Report:
    """What came of it: letters done; left alone, because something was done before; failed, each with its sentence.

    `refused`: of those sent (or to be sent), which the worker will refuse again, and why.
    """

    done: int = 0
    left: list[tuple[Name, State]] = field(default_factory=list)
    refused: list[tuple[Name, str]] = field(default_factory=list)
    failed: list[tuple[Name, str]] = field(default_factory=list)


class _UnderWay(NamedTuple):
    name: Name
    record: Outgoing
    sent: Sent | None


def _silent(done: int, total: int | None) -> None:
    """Nobody watches."""


def retry(
    settings: Settings,
    names: Sequence[Name],
    *,
    again: bool = False,
    dry_run: bool = False,
    progress: Progress = _silent,
) -> Report:
    """Send these letters through the log again. Blocks.

    Letters that are no longer open are left alone, unless `again`. A crash between acknowledgement and record leaves
    letters open that were sent; the next retry sends them twice, and the fold ignores the second. Raises
    NotPublishedError after what was acknowledged is on record.
    """
    sealer = Sealer(settings.seal)

    def prepare(letter: Letter) -> Outgoing:
        clear = opened(letter, sealer)
        whole = unsealed(letter, sealer)
        return outgoing(whole, clear, first_received(whole, clear, sealer, since), settings.kafka, sealer)

    connected = nullcontext() if dry_run else publisher(settings)
    with ledger(settings) as pool, connected as log:
        since = signed_since(pool)
        sending = _Sending(Action.RETRY, prepare, log, again)
        for done, turn in _turns(names):
            sending.turn(pool, turn)
            progress(done, len(names))
    return sending.report


def send_edited(settings: Settings, name: Name, prepare: Prepare, *, again: bool = False) -> Report:
    """Send one letter with the bytes that `prepare` gives it; the letter itself stays as it is. Blocks.

    It is left alone if somebody else acted meanwhile, unless `again`. Raises NotPublishedError.
    """
    with ledger(settings) as pool, publisher(settings) as log:
        sending = _Sending(Action.EDIT, prepare, log, again)
        sending.turn(pool, [name])
    return sending.report


def discard(
    settings: Settings,
    names: Sequence[Name],
    why: str,
    *,
    dry_run: bool = False,
    progress: Progress = _silent,
) -> Report:
    """Put on record that these letters are given up, and why; they stay in the ledger. Blocks."""
    report = Report()
    with ledger(settings) as pool:
        for done, turn in _turns(names):
            with pool.begin() as connection:
                due = _due(connection, turn, report, again=False)
                report.done += len(due)
                if not dry_run:
                    deeds = [Deed(letter.name, Action.DISCARD, actor(), why) for letter in due]
                    dead_letters.record(connection, deeds)
            progress(done, len(names))
    return report


def opened(letter: Letter, sealer: Sealer) -> bytes:
    """Its bytes in clear. Raises DeadLetterError if no key of ours opens them, or they are not kept as they were."""
    if letter.parts is not None:
        raise DeadLetterError(
            "it is not kept as it was, so it cannot be sent again (`hcp dlq show --body` shows what is kept):"
            " ask its sender for it, then discard it"
        )
    try:
        return letter.open(sealer)
    except CannotOpen as error:
        raise _sealed(error) from None


def unsealed(letter: Letter, sealer: Sealer) -> Letter:
    """The letter with its key and headers in clear. Raises DeadLetterError if no key of ours opens them."""
    try:
        return letter.unsealed(sealer)
    except CannotOpen as error:
        raise _sealed(error) from None


def readable(letter: Letter, seal: Seal) -> Letter:
    """The letter with its key and headers in clear if a key of ours opens them, else as it is."""
    try:
        return letter.unsealed(Sealer(seal))
    except (CannotOpen, NotConfiguredError):
        return letter


def parts(letter: Letter, sealer: Sealer) -> dict[str, Part]:
    """What is kept of a letter in clear, part by part. Raises DeadLetterError if no key of ours opens it."""
    if letter.parts is None:
        value = opened(letter, sealer)
        return {"value": Part.of(value, len(value))}
    try:
        return letter.open_parts(sealer)
    except CannotOpen as error:
        raise _sealed(error) from None


def _sealed(error: CannotOpen) -> DeadLetterError:
    if isinstance(error, KeyDestroyed | IdentityErased):
        return DeadLetterError(
            f"its bytes cannot be opened any more, {error}: nothing is left to do but to discard it"
        )
    return DeadLetterError(f"its bytes cannot be opened ({error}): see HCP_SEAL__KEYS and HCP_SEAL__MONTHS")


def ledger(settings: Settings) -> AbstractContextManager[Engine]:
    """The ledger's connections, given back at the end."""
    return opened_engine(settings.database, "dlq", pool_size=1)


def actor() -> str:
    """Whom the operating system takes this process for."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _turns(names: Sequence[Name]) -> Iterator[tuple[int, Sequence[Name]]]:
    """How many are done after each turn, and the turn."""
    for start in range(0, len(names), LETTERS_A_TURN):
        turn = names[start : start + LETTERS_A_TURN]
        yield start + len(turn), turn


def _due(connection: Connection, names: Sequence[Name], report: Report, *, again: bool) -> list[Letter]:
    """Which of these to act on, held until the transaction ends. The others are told of."""
    dead_letters.hold(connection)
    due = []
    for letter in dead_letters.whole(connection, names):
        if again or letter.line.state is State.OPEN:
            due.append(letter)
        else:
            report.left.append((letter.name, letter.line.state))
    return due


@dataclass(slots=True)
class _Sending:
    """Sends letters, some at a time. Without a publisher it only judges them."""

    action: Action
    prepare: Prepare
    publisher: Publisher | None
    again: bool
    report: Report = field(default_factory=Report)

    def turn(self, pool: Engine, names: Sequence[Name]) -> None:
        """Send, wait for the acknowledgements, record what was acknowledged: in this order, or a crash loses a letter.

        What Kafka did not acknowledge is raised after the record of the others is committed.
        """
        with pool.begin() as connection:
            due = _due(connection, names, self.report, again=self.again)
            under_way: list[_UnderWay] = []
            error = self._publish(due, under_way)
            self._record(connection, under_way)
        if error:
            raise error

    def _publish(self, due: Sequence[Letter], under_way: list[_UnderWay]) -> NotPublishedError | None:
        try:
            for letter in due:
                self._begin(letter, under_way)
            if self.publisher:
                self.publisher.flush()
        except NotPublishedError as error:
            return error
        return None

    def _begin(self, letter: Letter, under_way: list[_UnderWay]) -> None:
        """One letter on its way; one that cannot be sent must not keep the others from it."""
        try:
            record = self.prepare(letter)
            sent = self._send(record, str(letter.name))
        except (DeadLetterError, TooLargeError) as error:
            self.report.failed.append((letter.name, str(error)))
        else:
            under_way.append(_UnderWay(letter.name, record, sent))

    def _send(self, record: Outgoing, name: str) -> Sent | None:
        if self.publisher is None:
            return None
        return self.publisher.send_raw(record.stream, record.key, record.value, record.headers, name)

    def _record(self, connection: Connection, under_way: Sequence[_UnderWay]) -> None:
        deeds = []
        for name, record, sent in under_way:
            place = sent and sent.place()
            if place:
                deeds.append(Deed(name, self.action, actor(), event_id=record.event_id, sent=place))
            if place or not self.publisher:
                self.report.done += 1
                self.report.refused += [(name, record.refusal)] if record.refusal else []
        dead_letters.record(connection, deeds)
