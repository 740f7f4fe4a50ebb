"""Signed requests: who sent this, and that nobody changed it on the way (systems, terminals → gateway).

A request carries seven headers. Version 2 signs, one a line: the version, method, path with query, time, nonce, the SHA-256 of
the body, and `name:value` of `content-type` and of each `ce-*` header, sorted. Version 1, which ends for each device on a date,
signs the five from method to body. The algorithm is HMAC with SHA-256 or with SM3 (GB/T 32905), by the sender's choice.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

DEVICE, KEY, TIME, NONCE = "hcp-device", "hcp-key", "hcp-time", "hcp-nonce"
VERSION, ALGORITHM, SIGNATURE = "hcp-version", "hcp-algorithm", "hcp-signature"
CE, TYPE = "ce-", "content-type"
_SPACE = " \t"
V1, V2 = VERSIONS = ("1", "2")
"""The first is meant where a request names none."""
ALGORITHMS = ("hmac-sha256", "hmac-sm3")
_NONCE = re.compile("[A-Za-z0-9_-]{16,64}")
NAME = re.compile("[A-Za-z0-9._-]{1,64}")
"""Of devices and keys."""
_SECONDS = re.compile("[0-9]{9,11}")


class NotSigned(ValueError):
    """A request whose headers do not say, in our words, who signed it. The message names the header."""


class Signed(NamedTuple):
    """What a request says of its signature. `at`: Unix seconds by the sender's clock; `headers`: the lines of those signed."""

    device_id: str
    key_id: str
    at: int
    nonce: str
    algorithm: str
    signature: str
    version: str
    headers: tuple[str, ...]

    @classmethod
    def of(cls, sent: Collection[tuple[str, str]]) -> "Signed":
        """From a request's headers, their names in lower case, each as often as it was sent. Raises NotSigned."""
        headers = dict(sent)
        version = _one_of(headers, VERSION, VERSIONS)
        return cls(
            _header(headers, DEVICE, NAME),
            _header(headers, KEY, NAME),
            int(_header(headers, TIME, _SECONDS)),
            _header(headers, NONCE, _NONCE),
            _one_of(headers, ALGORITHM, ALGORITHMS),
            headers.get(SIGNATURE, ""),
            version,
            _lines(sent) if version != V1 else (),
        )

    def is_by(self, secret: bytes, method: str, path: str, body: bytes) -> bool:
        """Whether it was made with this secret over this request. Takes the same time for a right and a wrong one."""
        request = (method, path, str(self.at), self.nonce)
        made = _mac(secret, self.algorithm, _signed_bytes(self.version, request, body, self.headers))
        return hmac.compare_digest(made.encode(), self.signature.lower().encode())


def sign(
    device_id: str,
    key_id: str,
    secret: bytes,
    method: str,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    at: int | None = None,
    algorithm: str = ALGORITHMS[0],
    version: str = V2,
) -> dict[str, str]:
    """All headers of a request: `headers`, whose names come in any case, and those of its signature.

    `path` is as sent, with its query; `at` (Unix seconds) is now, if not said. Raises NotSigned for a header that is there
    twice, UnicodeEncodeError for text that cannot be sent in a header.
    """
    seconds, nonce = str(int(time.time()) if at is None else at), secrets.token_urlsafe(18)
    lines = _lines((name.lower(), value) for name, value in headers.items())
    return {
        **headers,
        DEVICE: device_id,
        KEY: key_id,
        TIME: seconds,
        NONCE: nonce,
        VERSION: version,
        ALGORITHM: algorithm,
        SIGNATURE: _mac(
            secret, algorithm, _signed_bytes(version, (method, path, seconds, nonce), body, lines)
        ),
    }


def _signed_bytes(
    version: str, request: tuple[str, str, str, str], body: bytes, headers: tuple[str, ...]
) -> bytes:
    """`request`: method, path, time and nonce."""
    lines = (*request, hashlib.sha256(body).hexdigest())
    told = lines if version == V1 else (version, *lines, *headers)
    return "\n".join(told).encode("latin-1")  # the bytes as they are sent


def _lines(headers: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Of the headers that are signed, whose names are in lower case. Raises NotSigned for one that is there twice."""
    signed = [(name, value) for name, value in headers if name[:3] == CE or name == TYPE]
    if len(dict(signed)) < len(signed):
        ((twice, _),) = Counter(name for name, _ in signed).most_common(1)
        raise NotSigned(f"the header {twice} is there twice")
    return tuple(sorted([f"{name}:{value.strip(_SPACE)}" for name, value in signed]))


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


def _one_of(headers: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    value = headers.get(name, known[0])
    if value not in known:
        raise NotSigned(f"the header {name} is none of {', '.join(known)}")
    return value
