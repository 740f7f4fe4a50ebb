"""Small files that say how far something has come: written whole or not at all, for our eyes only."""

import os
import tempfile
from pathlib import Path
from typing import TypeVar

import msgspec

from producers.errors import DamagedError

S = TypeVar("S", bound=msgspec.Struct)


def read(file: Path, kind: type[S]) -> S | None:
    """What was written; None if nothing was. Raises DamagedError."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise DamagedError(
            f"{file} is damaged ({error}): delete it; what it stands for begins anew"
        ) from None


def write(file: Path, state: msgspec.Struct) -> None:
    """Write it with mode 0600, whole or not at all, also when the power goes. Blocks."""
    handle, draft = tempfile.mkstemp(dir=file.parent, prefix=file.name)
    with os.fdopen(handle, "wb") as out:
        out.write(msgspec.json.encode(state))
        out.flush()
        os.fsync(out.fileno())
    Path(draft).replace(file)
