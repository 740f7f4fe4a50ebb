"""Folders that are there whole or not at all, whatever the power does."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def made_whole(folder: Path) -> Iterator[Path]:
    """Fill the folder that is yielded; when all went well it becomes `folder` at once, and replaces an older one."""
    draft = folder.with_name(folder.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    yield draft
    os.sync()  # else a power cut after the rename finds the name and no content
    if folder.exists():
        shutil.rmtree(folder)
    draft.rename(folder)
