"""Sealing: AES-SIV, deterministic, so that a retry gives the same bytes and a replay the same ledger.

A sealed string is `s1.<key id>.<base64url>`; sealed bytes are the same in ASCII. The key id inside allows rotation.
"""

import base64
import hashlib
import hmac
from functools import cached_property

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from pipeline.edge import Edge
from pipeline.settings import NotConfiguredError, Seal
from schemas.events import Reviewer
from schemas.phone import phone

PREFIX = "s1"


class CannotOpen(ValueError):
    """A sealed text that this key ring does not open: unknown key, or other associated data than it was sealed with."""


class Sealer:
    """Seals with the current key, opens with any. NotConfiguredError if the settings hold no key."""

    def __init__(self, seal: Seal) -> None:
        if not seal.current:
            raise NotConfiguredError(
                "no sealing key: set HCP_SEAL__CURRENT and HCP_SEAL__KEYS (32 random bytes in base64), or run this in the"
                " folder where `hcp up` has been started"
            )
        self._seal = seal

    @cached_property
    def edge(self) -> Edge:
        """The edge's signatures, by keys that derive from the same ring."""
        return Edge(self._seal)

    def seal(self, clear: bytes, *about: str) -> str:
        """`clear`, readable only with the key, and only as what it is `about`: the associated data."""
        sealed = self._cipher(self._seal.current).encrypt(clear, [part.encode() for part in about])
        return f"{PREFIX}.{self._seal.current}.{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}"

    def open(self, sealed: str, *about: str) -> bytes:
        """What was sealed. Raises CannotOpen."""
        prefix, _, rest = sealed.partition(".")
        key_id, _, body = rest.partition(".")
        if prefix != PREFIX or key_id not in self._seal.keys:
            raise CannotOpen(f"not sealed with a key of ours (prefix {prefix!r}, key {key_id!r})")
        try:
            raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
            return self._cipher(key_id).decrypt(raw, [part.encode() for part in about])
        except (InvalidTag, ValueError):
            raise CannotOpen("sealed with other associated data, or damaged") from None

    def seal_reviewer(self, event_id: str, name: str = "", phone: str = "", id_number: str = "") -> str:
        """An identity as it may travel and be stored, bound to its event."""
        return self.seal(msgspec.json.encode(Reviewer(name, phone, id_number)), event_id)

    def open_reviewer(self, event_id: str, sealed: str) -> Reviewer:
        """The identity again. Raises CannotOpen."""
        return msgspec.json.decode(self.open(sealed, event_id), type=Reviewer)

    def mark(self, identity: str) -> str:
        """A keyed digest of a phone or identity number: one person behind many reviews, without showing who."""
        plain = "".join(identity.split()).upper()
        return hmac.new(self._mark_key, plain.encode(), hashlib.sha256).hexdigest()[:32] if plain else ""

    def mark_of(self, reviewer: Reviewer) -> str:
        """The mark of a reviewer: by the phone, in its one form however it was typed, else by the identity number; empty
        without both.
        """
        return self.mark(phone(reviewer.phone) or reviewer.phone or reviewer.id_number)

    @cached_property
    def _mark_key(self) -> bytes:
        """Derived from the root key, so that marks of one person stay alike when keys are added and taken away."""
        return hmac.new(self._seal.key(self._seal.root_id), b"reviewer_mark", hashlib.sha256).digest()

    def _cipher(self, key_id: str) -> AESSIV:
        return AESSIV(self._seal.key(key_id))
