"""Sealing: AES-SIV, deterministic, so that a retry gives the same bytes and a replay the same ledger.

A sealed string is `s1.<key id>.<base64url>`; sealed bytes are the same in ASCII. The key id inside allows rotation. Identities and
dead letters are sealed with the key of a month, which is destroyed some day (`pipeline.month_keys`); all else with the settings' keys.
"""

import base64
import hashlib
import hmac
from datetime import datetime
from functools import cached_property

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from pipeline.edge import Edge
from pipeline.erasures import Erasures
from pipeline.month_keys import Destroyed, Month, MonthKeys, month_of, name_of
from pipeline.seal_keys import Seal
from pipeline.settings import NotConfiguredError
from schemas.events import Reviewer
from schemas.phone import phone

PREFIX = "s1"


class CannotOpen(ValueError):
    """A sealed text that this key ring does not open: unknown key, or other associated data than it was sealed with."""


class KeyDestroyed(CannotOpen):
    """The key of this month was destroyed: nothing opens what it sealed, and nothing is sealed for that month any more."""

    def __init__(self, month: Month, marker: Destroyed) -> None:
        super().__init__(
            f"the key of {name_of(month)} was destroyed on {marker.at:%Y-%m-%d} by {marker.by}: {marker.why}"
        )


class IdentityErased(CannotOpen):
    """A person had this identity erased (`pipeline.erasures`)."""

    def __init__(self) -> None:
        super().__init__("the identity in it was erased: see `hcp erase`")


class Sealer:
    """Seals with the current key or a month's, opens with any. NotConfiguredError if the settings hold no key.

    May be shared by threads. Raises KeyRingError while the folder of month keys cannot be used.
    """

    def __init__(self, seal: Seal) -> None:
        if not seal.current:
            raise NotConfiguredError(
                "no sealing key: set HCP_SEAL__CURRENT and HCP_SEAL__KEYS (32 random bytes in base64), or run this in the"
                " folder where `hcp up` has been started"
            )
        self._seal = seal
        self._ciphers = {key_id: AESSIV(seal.key(key_id)) for key_id in seal.keys}
        self.months = MonthKeys(seal.months)
        self.erasures = Erasures(seal.months / "erased")

    @cached_property
    def edge(self) -> Edge:
        """The edge's signatures, by keys that derive from the same ring."""
        return Edge(self._seal)

    def seal(self, clear: bytes, *about: str, at: datetime | None = None) -> str:
        """`clear`, readable only with the key, and only as what it is `about`: the associated data.

        `at`: an aware time; the key is that of its month (UTC), else the current one. Raises KeyDestroyed.
        """
        key_id, cipher = self._current if at is None else self._of_month(at)
        sealed = cipher.encrypt(clear, [part.encode() for part in about])
        return f"{PREFIX}.{key_id}.{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}"

    def open(self, sealed: str, *about: str) -> bytes:
        """What was sealed. Raises CannotOpen."""
        prefix, _, rest = sealed.partition(".")
        key_id, _, body = rest.partition(".")
        cipher = self._opening(key_id) if prefix == PREFIX else None
        if cipher is None:
            raise CannotOpen(f"not sealed with a key of ours (prefix {prefix!r}, key {key_id!r})")
        try:
            raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
            return cipher.decrypt(raw, [part.encode() for part in about])
        except (InvalidTag, ValueError):
            raise CannotOpen("sealed with other associated data, or damaged") from None

    def seal_reviewer(
        self, event_id: str, name: str = "", phone: str = "", id_number: str = "", *, at: datetime
    ) -> str:
        """An identity as it may travel and be stored, bound to its event. `at`: when the log or we had it. As `seal`."""
        return self.seal(msgspec.json.encode(Reviewer(name, phone, id_number)), event_id, at=at)

    def open_reviewer(self, event_id: str, sealed: str) -> Reviewer:
        """The identity again. Raises CannotOpen, also when it was erased."""
        if self.erasures.has(event_id):
            raise IdentityErased
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

    @property
    def _current(self) -> tuple[str, AESSIV]:
        return self._seal.current, self._ciphers[self._seal.current]

    def _of_month(self, at: datetime) -> tuple[str, AESSIV]:
        found = self.months.sealing(at)
        if isinstance(found, Destroyed):
            raise KeyDestroyed(month_of(at), found)
        return found

    def _opening(self, key_id: str) -> AESSIV | None:
        """The key of this id: the settings' and the months' are told apart by their form."""
        found = self._ciphers.get(key_id) or self.months.opening(key_id)
        if isinstance(found, Destroyed):
            raise KeyDestroyed(int(key_id[1:7]), found)
        return found
