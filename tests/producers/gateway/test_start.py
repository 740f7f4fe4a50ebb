"""The gateway as a process: without keys, or with keys that are none, it does not start, and says in a sentence what to set."""

import base64
import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.conftest import SEAL_KEY

SERVERS = {
    "HCP_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "HCP_DATABASE__URL": "postgresql://hcp:only-ours-81@127.0.0.1:9/hcp",
    "HCP_GATEWAY__HOST": "no.such.host.invalid",
}
"""Whoever gets as far as to listen, cannot, and ends."""


def started(folder: Path, current: str, keys: dict[str, str], root: str = "") -> tuple[int, str]:
    """How `hcp gateway` ends, and its last line."""
    seal = {"HCP_SEAL__CURRENT": current, "HCP_SEAL__KEYS": json.dumps(keys), "HCP_SEAL__ROOT": root}
    path = {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-m", "deploy", "gateway"],
        env=os.environ | SERVERS | seal | path,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr.strip().rpartition("\n")[2]


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (b"only 16 bytes  .", "has 16 bytes, not 32"),
        (b"\x07" * 32, "is a sequence that everybody knows"),
        (bytes(range(32)), "is a sequence that everybody knows"),
        (b"\xca\xfe\xba\xbe" * 8, "repeats itself"),
        (b"change me, change me, change me!", "is text, not random bytes"),
        (sha256(b"changeme").digest(), "is the digest of a word that everybody tries first"),
    ],
    ids=["short", "constant", "counted", "repeated", "text", "digest"],
)
def test_a_short_or_well_known_key_is_refused(key: bytes, why: str, tmp_path: Path) -> None:
    shown = base64.b64encode(key).decode()
    assert started(tmp_path, "k1", {"k1": shown}) == (
        1,
        f"hcp: HCP_SEAL__KEYS: key 'k1' {why}: it must be 32 random bytes in base64",
    )


def test_without_a_key_it_is_refused(tmp_path: Path) -> None:
    code, said = started(tmp_path, "", {})
    assert code == 1
    assert "set HCP_SEAL__CURRENT and HCP_SEAL__KEYS" in said


def test_a_second_key_without_a_root_is_refused(tmp_path: Path) -> None:
    other = base64.b64encode(sha256(b"another").digest()).decode()
    code, said = started(tmp_path, "k2", {"k1": SEAL_KEY, "k2": other})
    assert (code, said.partition(":")[2].strip().startswith("HCP_SEAL__ROOT is missing")) == (1, True)


def test_with_a_good_key_it_comes_as_far_as_to_listen(tmp_path: Path) -> None:
    """The twin: nothing but the key was wrong above."""
    code, said = started(tmp_path, "k1", {"k1": SEAL_KEY})
    assert (code != 0, "HCP_SEAL" in said) == (True, False)
    assert (tmp_path / ".hcp" / "spool" / "spool.db").exists()
