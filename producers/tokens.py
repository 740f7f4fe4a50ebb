"""Tokens of QR codes and invitations: what may be reviewed with this link, until when, signed by us.

A token is `<version><key id>.<payload>.<signature>` (itsdangerous, HMAC with SHA-256). A place stands in the payload in
clear, as it does on the wall; a case is sealed (AES-SIV), for a URL is seen by others. Key id and version are inside, so
that keys can be rotated: the current one signs, every one of the settings still reads.
"""

import hmac
import secrets
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from pipeline.clock import utc_now
from pipeline.seal_keys import Seal
from schemas.codes import Channel
from schemas.reading import clean_text

VERSION = "1"
MAX_LENGTH = 2_400
"""Ours have 200 to 400 characters, and 2,300 if every code has all the characters that it may have, of four bytes each;
nothing longer is looked at."""
NAME_LENGTH = 80
"""As much of a name as the page shows well: the rest would only make the code finer."""
INVITED = frozenset({Channel.APP, Channel.MINI_PROGRAM, Channel.SMS, Channel.QR, Channel.PC})
"""The channels for which a case's token may be made."""


class TokenBad(ValueError):
    """No token of ours: damaged, forged, of an unknown version or key. The message never shows it."""


class TokenExpired(ValueError):
    """A token of ours whose time is over."""


class Kind(StrEnum):
    """What a place token is for."""

    WINDOW = "window"
    HALL = "hall"
    ITEM = "item"
    DEPARTMENT = "department"
    PERSON = "person"


class Object(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What a review with this token is about; codes as in the contract, absent ones empty."""

    token_id: str
    dept_code: str = ""
    hall_code: str = ""
    window_code: str = ""
    item_code: str = ""
    staff_id: str = ""

    def fields(self) -> dict[str, str]:
        """The object's codes, by the names that the contract gives them."""
        named = ("dept_code", "hall_code", "window_code", "item_code", "staff_id")
        return {name: getattr(self, name) for name in named if getattr(self, name)}

    def sender(self, source: str) -> str:
        """Who a review with this token, which came in by `source`, is signed as having come from."""
        return source


class Place(Object, frozen=True, array_like=True, kw_only=True):
    """A place, an item or a person, reviewed by whoever comes by: any number of reviews, none with a case."""

    kind: Kind
    name: str

    @property
    def channel(self) -> Channel:
        """The channel of a review made with it."""
        return Channel.QR


class CaseToken(Object, frozen=True, array_like=True, kw_only=True):
    """A service of one case: one review and one follow-up. `name` is the item's, as its citizen knows it.

    `issuer`: the source of the device that asked for the link; empty if the county made it itself, or before this was kept.
    """

    case_no: str
    service_no: int = 1
    channel: Channel = Channel.QR
    name: str = ""
    issuer: str = ""

    def sender(self, source: str) -> str:
        """Who issued the link, else the source."""
        return self.issuer or source

    def fields(self) -> dict[str, Any]:
        """The object's codes, with the case."""
        return super().fields() | {"case_no": self.case_no, "service_no": self.service_no}


Claims = Place | CaseToken


class _Payload(msgspec.Struct, array_like=True):
    """`expires`: Unix seconds. Exactly one of the two others is there."""

    expires: int
    place: Place | None
    sealed_case: bytes | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Payload).decode


def new_id() -> str:
    """A place token's id: 72 random bits, URL-safe."""
    return secrets.token_urlsafe(9)


class Tokens:
    """Makes and reads tokens. Pure but for the clock. ValueError if the settings hold no key."""

    def __init__(self, seal: Seal, clock: Callable[[], datetime] = utc_now) -> None:
        if not seal.current:
            raise ValueError("no key for tokens: set HCP_SEAL__CURRENT and HCP_SEAL__KEYS")
        self._seal = seal
        self._clock = clock

    def make(self, claims: Claims, expires: datetime) -> str:
        """A token of the current key, with the name cut to what is shown. `expires` is an aware time, kept to the second."""
        claims = msgspec.structs.replace(claims, name=claims.name[:NAME_LENGTH])
        key_id, seconds = self._seal.current, int(expires.timestamp())
        if isinstance(claims, Place):
            payload = _Payload(seconds, claims, None)
        else:
            payload = _Payload(seconds, None, self._sealer(key_id).encrypt(_encode(claims), []))
        signed = self._signer(key_id).sign(base64_encode(_encode(payload)))
        return f"{VERSION}{key_id}.{signed.decode()}"

    def read(self, token: str) -> Claims:
        """What it says. Raises TokenBad, TokenExpired."""
        key_id, signed = self._parts(token)
        try:
            payload = _decode(base64_decode(self._signer(key_id).unsign(signed)))
        except (BadData, ValueError):
            raise TokenBad("its signature is not ours, or its content was damaged") from None
        if self._clock().timestamp() >= payload.expires:
            raise TokenExpired("its time is over")
        return payload.place or self._unsealed(key_id, payload.sealed_case or b"")

    def case_id(self, case_no: str, service_no: int, issuer: str = "") -> str:
        """The id of every token of this issuer for this service of this case: however many are made, and however its number
        was typed, they admit the same reviews. What is done with another's link is never in the way of the issuer's.

        Derived from the root key, so that it stays alike when keys are added and taken away; the case cannot be told from it.
        """
        key = self._seal.derived(self._seal.root_id, "token id")
        about = f"{service_no}/{clean_text(case_no)}" + (f"\0{issuer}" if issuer else "")
        return hmac.new(key, about.encode(), sha256).hexdigest()[:18]

    def _parts(self, token: str) -> tuple[str, str]:
        head, _, signed = token.partition(".")
        key_id = head[len(VERSION) :]
        if len(token) > MAX_LENGTH or head[: len(VERSION)] != VERSION or key_id not in self._seal.keys:
            raise TokenBad("it is of no version or key of ours")
        return key_id, signed

    def _unsealed(self, key_id: str, sealed: bytes) -> CaseToken:
        try:
            return msgspec.msgpack.decode(self._sealer(key_id).decrypt(sealed, []), type=CaseToken)
        except (InvalidTag, ValueError):
            raise TokenBad("its case cannot be opened") from None

    def _signer(self, key_id: str) -> Signer:
        key = self._seal.derived(key_id, "token")
        return Signer(key, f"hcp token {VERSION}", key_derivation="hmac", digest_method=sha256)

    def _sealer(self, key_id: str) -> AESSIV:
        return AESSIV(self._seal.derived(key_id, "token seal"))
