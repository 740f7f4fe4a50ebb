"""One process at a time in a folder; the lock ends with its process, however that ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from producers.errors import CannotImportError


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else imports from this folder meanwhile. Raises CannotImportError if somebody does, or if there is none."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise CannotImportError(f"{folder} cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise CannotImportError(
            f"another process already imports from {folder}: end that one first"
        ) from None
    try:
        yield
    finally:
        os.close(handle)
