"""Signed requests: who sent this, and that nobody changed it on the way (systems, terminals → gateway).

A request carries six headers. What is signed is method, path with query, time, nonce and the SHA-256 of the body,
one a line. The algorithm is HMAC with SHA-256 or with SM3 (GB/T 32905), by the sender's choice.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

DEVICE, KEY, TIME, NONCE = "hcp-device", "hcp-key", "hcp-time", "hcp-nonce"
ALGORITHM, SIGNATURE = "hcp-algorithm", "hcp-signature"
ALGORITHMS = ("hmac-sha256", "hmac-sm3")
_NONCE = re.compile("[A-Za-z0-9_-]{16,64}")
NAME = re.compile("[A-Za-z0-9._-]{1,64}")
"""Of devices and keys."""
_SECONDS = re.compile("[0-9]{9,11}")


class NotSigned(ValueError):
    """A request whose headers do not say, in our words, who signed it. The message names the header."""


class Signed(NamedTuple):
    """What a request says of its signature. `at`: Unix seconds by the sender's clock."""

    device_id: str
    key_id: str
    at: int
    nonce: str
    algorithm: str
    signature: str

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "Signed":
        """From a request's headers, whose names are looked up in lower case. Raises NotSigned."""
        given = cls(
            _header(headers, DEVICE, NAME),
            _header(headers, KEY, NAME),
            int(_header(headers, TIME, _SECONDS)),
            _header(headers, NONCE, _NONCE),
            headers.get(ALGORITHM, ALGORITHMS[0]),
            headers.get(SIGNATURE, ""),
        )
        if given.algorithm not in ALGORITHMS:
            raise NotSigned(f"{ALGORITHM} is none of {', '.join(ALGORITHMS)}")
        return given

    def is_by(self, secret: bytes, method: str, path: str, body: bytes) -> bool:
        """Whether it was made with this secret over this request. Takes the same time for a right and a wrong one."""
        made = _signature(secret, self.algorithm, method, path, str(self.at), self.nonce, body)
        return hmac.compare_digest(made.encode(), self.signature.lower().encode())


def sign(
    device_id: str,
    key_id: str,
    secret: bytes,
    method: str,
    path: str,
    body: bytes,
    *,
    at: int | None = None,
    algorithm: str = "hmac-sha256",
) -> dict[str, str]:
    """The headers of a request. `path` is as sent, with its query; `at` (Unix seconds) is now, if not said."""
    seconds, nonce = str(int(time.time()) if at is None else at), secrets.token_urlsafe(18)
    return {
        DEVICE: device_id,
        KEY: key_id,
        TIME: seconds,
        NONCE: nonce,
        ALGORITHM: algorithm,
        SIGNATURE: _signature(secret, algorithm, method, path, seconds, nonce, body),
    }


def _signature(
    secret: bytes, algorithm: str, method: str, path: str, at: str, nonce: str, body: bytes
) -> str:
    said = "\n".join((method, path, at, nonce, hashlib.sha256(body).hexdigest())).encode()
    return _mac(secret, algorithm, said)


def _mac(secret: bytes, algorithm: str, said: bytes) -> str:
    if algorithm == "hmac-sha256":
        # not hmac.digest: that one lets other threads run meanwhile, and waits milliseconds for its turn
        return hmac.new(secret, said, "sha256").hexdigest()
    keyed = HMAC(secret, hashes.SM3())
    keyed.update(said)
    return keyed.finalize().hex()


def _header(headers: Mapping[str, str], name: str, form: re.Pattern[str]) -> str:
    value = headers.get(name, "")
    if not form.fullmatch(value):
        raise NotSigned(f"the header {name} is {'not of its form' if value else 'missing'}")
    return value
