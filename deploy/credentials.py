"""Passwords and keys: made at the first start for servers of ours, demanded for servers of others."""

import base64
import json
import secrets
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from deploy.embedded.postgres import DATABASE, USER
from deploy.errors import StackError
from pipeline import weak_keys, whole_file
from pipeline.settings import WEAK, Settings

MAKE_A_KEY = """python3 -c 'import base64, os; print(base64.b64encode(os.urandom(32)).decode())'"""


class Credentials(NamedTuple):
    """Of the embedded PostgreSQL, and of the seal (`key`: 32 bytes in base64)."""

    database_password: str
    seal_key_id: str
    seal_key: str


def keep(folder: Path) -> Credentials:
    """Those of this folder's stack, made at its first start (`folder`/secrets, mode 0600); psql's are in `folder`/pgpass.

    Raises StackError when they are gone and data is there: a new key would not open what the old one sealed.
    """
    kept = _keep(folder)
    password = f"127.0.0.1:*:{DATABASE}:{USER}:{kept.database_password}\n"
    whole_file.write(folder / "pgpass", password.encode())
    return kept


def _keep(folder: Path) -> Credentials:
    file = folder / "secrets"
    if file.exists():
        return Credentials(**json.loads(file.read_text()))
    if (folder / "postgres" / "data").exists():
        raise StackError(
            f"{file} is missing, but there is data that it opens: restore it from a backup, or remove "
            f"{folder} (make clean) to begin anew"
        )
    made = Credentials(
        secrets.token_urlsafe(24),
        "k" + secrets.token_hex(4),
        base64.b64encode(secrets.token_bytes(weak_keys.BYTES)).decode(),
    )
    whole_file.write(file, json.dumps(made._asdict()).encode())
    return made


def demand(settings: Settings) -> None:
    """Servers of the settings come with secrets of the settings. Raises StackError naming the one that is missing."""
    url = urlsplit(settings.database.url.get_secret_value())
    password = unquote(url.password or "")
    if password.lower() in WEAK or password == url.username:
        raise StackError(
            "HCP_DATABASE__URL has no password, or one that everybody knows: give the role a password of its own"
        )
    if not settings.seal.keys:
        raise StackError(
            "HCP_DATABASE__URL is set, so the keys that seal identities must be set as well (HCP_SEAL__CURRENT=k1 "
            f'HCP_SEAL__KEYS=\'{{"k1": "…"}}\'); make one with: {MAKE_A_KEY}'
        )
