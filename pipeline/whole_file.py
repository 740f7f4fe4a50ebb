"""Files of ours: whole or not at all, also when the power goes, and for our eyes only."""

import os
from pathlib import Path


def write(file: Path, data: bytes) -> None:
    """Write it with mode 0600, in one step as others see it. Blocks until the disk has it. One writer a file."""
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
