"""Secrets: made once for servers of ours, demanded for servers of others."""

import json
import stat
from pathlib import Path

import pytest
from pydantic import ValidationError

from deploy import credentials
from deploy.errors import StackError
from pipeline.settings import Settings
from tests.conftest import SEAL_KEY


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_they_are_made_at_the_first_start_and_kept(tmp_path: Path) -> None:
    made = credentials.keep(tmp_path)
    assert credentials.keep(tmp_path) == made
    assert len(made.database_password) >= 32
    assert {mode(tmp_path / name) for name in ("secrets", "pgpass")} == {0o600}
    assert made.database_password in (tmp_path / "pgpass").read_text()


def test_data_without_its_secrets_is_not_given_new_ones(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "data").mkdir(parents=True)
    with pytest.raises(StackError, match="restore it from a backup"):
        credentials.keep(tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://hcp@db/hcp", "postgresql://hcp:hcp@db/hcp", "postgresql://hcp:postgres@db/hcp",
        "postgresql://hcp:PASSWORD@db/hcp", "postgresql://county:county@db/hcp", "postgresql://hcp:%68cp@db/hcp",
    ],
)  # fmt: skip
def test_a_server_of_others_needs_a_password_of_its_own(url: str) -> None:
    settings = Settings.model_validate(
        {"database": {"url": url}, "seal": {"current": "k", "keys": {"k": SEAL_KEY}}}
    )
    with pytest.raises(StackError, match="HCP_DATABASE__URL has no password, or one that everybody knows"):
        credentials.demand(settings)


def test_a_server_of_others_needs_keys_that_seal() -> None:
    url = "postgresql://hcp:only-ours-81@db/hcp"
    with pytest.raises(StackError, match="HCP_SEAL__CURRENT"):
        credentials.demand(Settings.model_validate({"database": {"url": url}}))
    credentials.demand(
        Settings.model_validate({"database": {"url": url}, "seal": {"current": "k", "keys": {"k": SEAL_KEY}}})
    )


@pytest.mark.parametrize("key", ["AAAA", "not base64!", "A" * 43 + "="])
def test_a_short_or_constant_key_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({"seal": {"current": "k", "keys": {"k": key}}})
    assert "HCP_SEAL__KEYS" in str(refused.value)
    assert json.dumps(key)[1:-1] not in " ".join(error["msg"] for error in refused.value.errors())


def test_sasl_without_a_secret_is_refused() -> None:
    with pytest.raises(ValidationError, match="HCP_KAFKA__SASL_PASSWORD is missing or a default one"):
        Settings.model_validate(
            {"kafka": {"security_protocol": "SASL_SSL", "sasl_username": "hcp", "sasl_password": "changeme"}}
        )


def test_a_wrong_setting_is_told_without_the_secrets_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts a worker by other means than `hcp` sees pydantic's own words, on a screen or in a log."""
    monkeypatch.setenv("HCP_SEAL__KEYS", '{"k1": "c2hvcnQtYnV0LXNlY3JldA=="}')
    monkeypatch.setenv("HCP_KAFKA__SASL_PASSWORD", "hunter-of-secrets")
    monkeypatch.setenv("HCP_WORKER__SLOTS", "many")
    with pytest.raises(ValidationError) as wrong:
        Settings()
    for secret in ("c2hvcnQ", "hunter"):
        assert secret not in str(wrong.value)
