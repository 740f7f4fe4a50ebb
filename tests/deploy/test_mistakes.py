"""What a person forgot, or a server that is away, is a sentence and exit code 1, whatever command is typed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.settings import Settings, environment
from tests.conftest import SEAL_KEY
from tests.deploy import every_command

NEEDS_NOTHING = {"down", "import sources", "import paper template"}
ANY_PORTS = {"HCP_GATEWAY__PORT": "0", "HCP_WEB__DESK_PORT": "0", "HCP_WEB__EXPORTER_PORT": "0"}
NOBODY = {
    "HCP_DATABASE__URL": "postgresql://hcp@127.0.0.1:1/hcp",
    "HCP_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
}
KEYS = {"HCP_SEAL__CURRENT": "test", "HCP_SEAL__KEYS": json.dumps({"test": SEAL_KEY})}


def typed_each(folder: Path, env: dict[str, str], serving: float = 4) -> dict[str, dict[str, Any]]:
    """Every command typed in this folder with these settings: what came of each."""
    (folder / "in").mkdir()
    for name, text in {
        "rows.csv": "a,b\n",
        "windows.csv": "window_code,name\n",
        "query.sql": "select 1",
    }.items():
        (folder / name).write_text(text)
    outside = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
    done = subprocess.run(
        [sys.executable, every_command.__file__, str(serving)],
        cwd=folder,
        env=outside | ANY_PORTS | env,
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    return {one["name"]: one for one in map(json.loads, done.stdout.splitlines())}


def expect_sentences(came: dict[str, dict[str, Any]]) -> None:
    """No traceback, and an end in time."""
    assert len(came) > 40
    for name, one in came.items():
        assert "Traceback" not in one["said"], one["said"]
        assert one["code"] is not None or name in every_command.SERVING, f"{name} does not end"
        assert one["code"] != 2, f"{name} was typed wrongly: {one['said']}"


@pytest.mark.timeout(300)
def test_in_an_empty_folder(tmp_path: Path) -> None:
    came = typed_each(tmp_path, {}, serving=every_command.SECONDS)
    expect_sentences(came)
    assert {name for name, one in came.items() if one["code"] == 0} == NEEDS_NOTHING
    assert {one["code"] for name, one in came.items() if name in every_command.SERVING} == {1}
    unnamed = "set HCP_DATABASE__URL, or run this in the folder where `hcp up` has been started"
    assert came["verify"]["said"] == f"hcp: no database: {unnamed}\n"


@pytest.mark.timeout(300)
def test_with_servers_that_nobody_reaches(tmp_path: Path) -> None:
    came = typed_each(tmp_path, NOBODY | KEYS)
    expect_sentences(came)
    local = {"spool status", "spool refused", "spool retry", "spool resend"}  # of the gateway that ran before
    assert {name for name, one in came.items() if one["code"] == 0} == NEEDS_NOTHING | local
    assert {name for name, one in came.items() if one["code"] is None} <= every_command.SERVING - {"worker"}


@pytest.mark.system
@pytest.mark.timeout(300)
def test_with_servers_but_without_keys(stack: Settings, tmp_path: Path) -> None:
    env = {name: value for name, value in environment(stack).items() if "SEAL" not in name}
    folder = tmp_path / "folder"
    folder.mkdir()
    came = typed_each(folder, env | ANY_PORTS)
    expect_sentences(came)
    for name in ("worker", "device list", "dlq retry", "replay"):
        assert "no sealing key: set HCP_SEAL__CURRENT" in came[name]["said"], name
