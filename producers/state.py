"""Small files that say how far something has come: written whole or not at all, for our eyes only."""

from pathlib import Path
from typing import TypeVar

import msgspec

from pipeline import whole_file
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
    whole_file.write(file, msgspec.json.encode(state))
