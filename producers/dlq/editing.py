"""Mending a letter by hand: its bytes in an editor, checked as the worker will check them, sent as a record of their own."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType

from pipeline.ledger import dead_letters
from pipeline.ledger.dead_letters import Letter, Name, State
from pipeline.ledger.received import signed_since
from pipeline.sealing import Sealer
from pipeline.settings import Settings
from producers.dlq.acting import Report, ledger, opened, send_edited, unsealed
from producers.dlq.outgoing import Outgoing, first_received, outgoing
from producers.errors import DeadLetterError

AskAgain = Callable[[str], bool]
"""Told what is wrong with the edited bytes; whether to open the editor once more."""


def edit(settings: Settings, name: Name, ask_again: AskAgain, *, again: bool = False) -> Report:
    """Let a person edit a letter's bytes, and send them when they are valid; the letter itself stays as it is. Blocks.

    Raises DeadLetterError if nothing is to be sent: already done (unless `again`), unchanged, given up, no editor.
    """
    (letter, since), sealer = _letter(settings, name), Sealer(settings.seal)
    if letter.line.state is not State.OPEN and not again:
        raise DeadLetterError(f"{name} is already {letter.line.state}: --again edits it once more")
    clear = opened(letter, sealer)
    first = first_received(unsealed(letter, sealer), clear, sealer, since)

    def prepare(letter: Letter) -> Outgoing:
        return outgoing(unsealed(letter, sealer), edited, first, settings.kafka, sealer)

    with _draft(settings.stack.data_dir, clear) as file:
        while True:
            edited = _edited(file, clear)
            refusal = prepare(letter).refusal
            if not refusal:
                break
            if not ask_again(f"{name} is still no event: {refusal}"):
                raise DeadLetterError(f"{name}: nothing sent, for it is still no event: {refusal}")
    return send_edited(settings, name, prepare, again=again)


def _letter(settings: Settings, name: Name) -> tuple[Letter, datetime]:
    """The letter, and since when records are signed."""
    with ledger(settings) as pool:
        with pool.connect() as connection:
            letter = dead_letters.whole(connection, [name])[0]
        return letter, signed_since(pool)


def _edited(file: Path, before: bytes) -> bytes:
    """What the person made of it. An editor's line end at the end is no change. Raises DeadLetterError."""
    _open_editor(file)
    after = file.read_bytes().rstrip(b"\r\n")
    if after == before.rstrip(b"\r\n"):
        raise DeadLetterError("nothing was changed, so nothing was sent")
    return after


def _open_editor(file: Path) -> None:
    words = shlex.split(os.environ.get("EDITOR", ""))
    if not words or shutil.which(words[0]) is None:
        raise DeadLetterError("no editor: set EDITOR to one, e.g. EDITOR=vi")
    code = subprocess.run([*words, str(file)], check=False).returncode
    if code:
        raise DeadLetterError(f"the editor {words[0]} ended with {code}, so nothing was sent")


@contextmanager
def _draft(folder: Path, clear: bytes) -> Iterator[Path]:
    """The bytes in a file for our eyes only, in a folder of its own: the editor's backups in it go when it goes."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _ended_in_order(), tempfile.TemporaryDirectory(prefix="dlq-", dir=folder) as place:
        file = Path(place, "letter.json")
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(clear)
        yield file


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """A terminal that is closed, or a kill, must not leave a citizen's words on the disk."""

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGHUP, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
