"""The settings' keys, and where the months' are (the branch `HCP_SEAL__…` of the settings)."""

import base64
import binascii
import hmac
import re
from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from pipeline import weak_keys

_OF_A_MONTH = re.compile("m[0-9]{6}")


class Seal(BaseModel):
    """Keys that sign, seal devices' secrets and links, and open what older versions sealed (AES-SIV, 32 bytes each in base64);
    and where the keys of the months are, which seal identities and dead letters.
    """

    current: str = Field("", description="id of the key that seals; the others still open what they sealed")
    root: str = Field(
        "",
        description="id of the key from which ids of cases' links and reviewers' marks derive; empty: the only one. Never changed",
    )
    keys: dict[str, SecretStr] = Field(default_factory=dict, description='{"id": "base64 of 32 bytes"}')
    months: Path = Field(
        Path(".hcp/months"),
        description="the folder of the months' keys, the same for every process and host that seals; the stack's is in its own",
    )
    retention_days: int = Field(
        3 * 365 + 1,
        ge=1,
        description="a month's key is destroyed so long after the month and the last closing of a ticket that it seals",
    )

    @field_validator("keys")
    @classmethod
    def _keys_are_keys(cls, keys: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for key_id, secret in keys.items():
            if not key_id.isalnum():
                raise ValueError(f"HCP_SEAL__KEYS: the id {key_id!r} is not of letters and digits")
            if _OF_A_MONTH.match(key_id):
                raise ValueError(
                    f"HCP_SEAL__KEYS: the id {key_id!r} is one of a month's key: call it otherwise, such as k1"
                )
            try:
                key = base64.b64decode(secret.get_secret_value(), validate=True)
            except binascii.Error:
                raise ValueError(f"HCP_SEAL__KEYS: key {key_id!r} is not base64") from None
            if weakness := weak_keys.weakness(key):
                raise ValueError(
                    f"HCP_SEAL__KEYS: key {key_id!r} {weakness}: it must be {weak_keys.BYTES} random bytes in base64"
                )
        return keys

    @model_validator(mode="after")
    def _current_is_there(self) -> Self:
        if self.keys and self.current not in self.keys:
            raise ValueError("HCP_SEAL__CURRENT names no key of HCP_SEAL__KEYS")
        return self

    @model_validator(mode="after")
    def _root_is_there(self) -> Self:
        if len(self.keys) > 1 and not self.root:
            raise ValueError(
                "HCP_SEAL__ROOT is missing: HCP_SEAL__KEYS has several keys, so "
                "name the first one that was in use; ids of cases' links and marks of reviewers derive from it"
            )
        if self.root and self.root not in self.keys:
            raise ValueError(
                "HCP_SEAL__ROOT names no key of HCP_SEAL__KEYS: put that key back; with another one, services that were "
                "reviewed could be reviewed again"
            )
        return self

    @property
    def root_id(self) -> str:
        """The id of the key from which everything derives that must stay alike when keys rotate."""
        return self.root or self.current

    def key(self, key_id: str) -> bytes:
        """The 32 bytes of a key. KeyError if the settings do not have it."""
        return base64.b64decode(self.keys[key_id].get_secret_value())

    def derived(self, key_id: str, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose alone: what one signs, another does not open. KeyError as `key`."""
        return hmac.digest(self.key(key_id), b"hcp " + purpose.encode(), "sha256")
