"""The settings of a running stack as a file, so that `hcp status` and others find it from another shell."""

import json
from pathlib import Path

from pipeline import whole_file
from pipeline.settings import Settings, environment


def save(settings: Settings, folder: Path) -> None:
    """Write `folder`/env (mode 0600): one line for each setting that is set, secrets in clear."""
    branches = {name: json.loads(branch) for name, branch in environment(settings).items()}
    lines = [
        f"{name}__{key.upper()}={_quoted(value)}\n"
        for name, branch in branches.items()
        for key, value in branch.items()
    ]
    whole_file.write(folder / "env", "".join(lines).encode())


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
