"""What Kafka needs of the machine, and what is said when it is not there."""

from pathlib import Path

import pytest

from deploy.embedded import jars
from deploy.errors import StackError


def script(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        StackError, match=r"there is no Java: install Java 17 or newer .*HCP_KAFKA__BOOTSTRAP_SERVERS"
    ):
        jars.java()


def test_an_old_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin", "java", "echo 'openjdk version \"11.0.2\"' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(StackError, match=r"needs Java 17 or newer, and .*/bin/java is 11"):
        jars.java()


def test_no_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match=r"fetched by Maven, and there is none: install it"):
        jars.fetch_jars(tmp_path / "libs")


def test_maven_that_fails_leaves_no_half_folder_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path, "mvn", "echo '[ERROR] no route to the repository'; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(StackError, match="no route to the repository"):
        jars.fetch_jars(tmp_path / "libs")
    assert not (tmp_path / "libs").exists()
