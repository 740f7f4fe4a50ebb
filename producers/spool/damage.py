"""Before a spool is opened: is it whole? If not, its files are moved aside, and what they still hold begins a new one.

Order of the moves, so that a crash between any two of them is mended by the next start: 1. the new database is written under
another name; 2. the old one goes aside; 3. its journal and its count follow; 4. the new one takes its name.
"""

import logging
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from producers.spool import high_water, journal
from producers.spool.errors import SpoolDamaged
from producers.spool.high_water import HighWater
from producers.spool.salvage import salvage
from producers.spool.store import place_crc
from producers.spool.tables import FILE, JOURNAL, reader

log = logging.getLogger(__name__)

ASIDE = ".damaged-"
SALVAGED = "spool.db.salvaged"
_BROUGHT_WITH_IT = (JOURNAL, high_water.FILE)


def mend(folder: Path, now: datetime) -> None:
    """Leave a whole spool, or none, in the folder. Blocks; long, if there is something to mend.

    Raises SpoolDamaged when what is left cannot be written anew (no room): nothing has been changed then.
    """
    if (folder / SALVAGED).exists() and not (folder / FILE).exists():
        _move(folder, now)
    (folder / SALVAGED).unlink(missing_ok=True)
    complaint = _complaint(folder)
    if not complaint:
        return
    promised = _promised(folder)
    try:
        rows = salvage(folder, folder / SALVAGED)
    except (sqlite3.Error, OSError) as error:
        raise SpoolDamaged(
            f"the spool {folder} is damaged ({complaint}), and what it still holds cannot be written anew "
            f"({type(error).__name__}): is there room on the disk? Nothing was changed; start again"
        ) from None
    _move(folder, now)
    log.error("spool_damaged", extra={"complaint": complaint, "salvaged": rows, "promised": promised})


def damaged(folder: Path) -> int:
    """How many files lie aside, for a person to look at and to take away."""
    return sum(1 for _ in folder.glob(f"*{ASIDE}*"))


def _move(folder: Path, now: datetime) -> None:
    aside = f"{ASIDE}{now:%Y%m%dT%H%M%S%f}"
    for name in (FILE, *_BROUGHT_WITH_IT):
        if (folder / name).exists():
            (folder / name).rename(folder / f"{name}{aside}")
    (folder / SALVAGED).rename(folder / FILE)


def _complaint(folder: Path) -> str:
    """What is wrong; empty if nothing is. An empty database is not shown to SQLite, which would delete its journal."""
    promised, ahead = _promised(folder), journal.read(folder / JOURNAL)
    if not _size(folder / FILE):
        return f"the database is gone, {promised} rows were promised" if promised or ahead.frames else ""
    if not ahead.sound:
        return "the journal is damaged"
    try:
        with closing(reader(folder)) as connection:
            return _disorder(connection) or _shortfall(connection, promised)
    except sqlite3.DatabaseError as error:
        return str(error)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _promised(folder: Path) -> int:
    with closing(HighWater(folder)) as told:
        return told.get()


def _disorder(connection: sqlite3.Connection) -> str:
    (found,) = connection.execute("pragma quick_check(1)").fetchone()
    return "" if found == "ok" else found.partition("\n")[0]


def _shortfall(connection: sqlite3.Connection, promised: int) -> str:
    if not promised and not connection.execute("select 1 from sqlite_schema").fetchone():
        return ""  # it was about to be made when its process ended
    place, crc = connection.execute("select seq, crc from place").fetchone()
    if crc != place_crc(place):
        return "the place up to which rows are sent is none"
    (last,) = connection.execute("select max(seq) from record").fetchone()
    last = max(last or 0, place)
    return f"row {promised} was promised, the last is {last}" if last < promised else ""
