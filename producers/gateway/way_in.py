"""What every way in has in common: an event is checked, stamped, its reviewer sealed, and lies on disk when it is accepted."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol

import msgspec
from starlette.types import Scope

from pipeline import metrics
from pipeline.clock import utc_now
from pipeline.runtime.hosts import Hosts
from pipeline.sealing import CannotOpen, Sealer
from pipeline.settings import Settings
from pipeline.signing import NotSigned
from producers.devices.device import Device
from producers.devices.registry import Registry
from producers.devices.tickets import Tickets
from producers.gateway.address import Proxies, peer_of
from producers.gateway.body import SECONDS
from producers.gateway.device_rates import DeviceRates
from producers.gateway.errors import Unauthorized
from producers.gateway.landing import Landing
from producers.gateway.ledger import Ledger
from producers.gateway.limiter import Limiter
from producers.gateway.patience import Patience
from producers.gateway.signed import device_of, target_of
from producers.gateway.unknown import with_unknown
from producers.spool.judging import Answer
from producers.spool.record import Appended, Record
from producers.spool.spool import Spool
from producers.tokens import Tokens
from schemas.cloudevents import SENT_DIGEST, cloud_headers, key_of
from schemas.events import MOST_DEVICE_SEQ, CaseEvent, Reason, Reviewer, ReviewEvent
from schemas.reading import MAX_BYTES, Invalid, Received, parse, receive
from schemas.topics import Stream

_encode = msgspec.json.Encoder().encode


class Accepted(msgspec.Struct, frozen=True):
    """An event that is on disk. `seen_before`: it was, already; it is not kept twice."""

    event_id: str
    received_at: datetime
    seen_before: bool


class Beside(Protocol):
    """What a way in has running while the gateway is served. Both block."""

    def start(self) -> None:
        """When requests begin to come."""

    def stop(self) -> None:
        """When none comes any more."""


class WayIn:
    """Takes events into the spool. ValueError if the settings hold no sealing key."""

    def __init__(
        self, settings: Settings, spool: Spool, devices: Registry, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.settings, self.spool, self.devices, self.clock = settings, spool, devices, clock
        self.sealer = Sealer(settings.seal)
        self.tokens = Tokens(settings.seal, clock)
        self.tickets = Tickets(self.sealer, clock)
        self.limiter = Limiter(settings.gateway)
        self.rates = DeviceRates(settings.gateway.device_per_minute)
        self.proxies = Proxies(settings.gateway.trusted_proxies)
        self.hosts = Hosts([*settings.web.host_names, *settings.gateway.names])
        self.skew = settings.gateway.clock_skew_seconds
        self.patience = Patience(SECONDS)
        self.ledger = Ledger(settings.database)
        self._landing: Landing | None = None
        self.beside: list[Beside] = []
        self.lasting: list[Callable[[], None]] = []
        """How to end the answers that last for minutes; called in the event loop, when the gateway is told to stop."""

    def device_of(
        self, headers: Collection[tuple[str, str]], scope: Scope, body: bytes
    ) -> tuple[Device, str]:
        """The device that signed this request now, and its nonce. Raises NotSigned, Unauthorized, RateLimited.

        `headers`: as `Signed.of` has them, one that was sent twice twice.
        Only what a device has signed counts for it; all else counts for the address from which it came.
        """
        at = self.clock().timestamp()
        try:
            device, nonce = device_of(
                self.devices, self.skew, headers, scope["method"], target_of(scope), body, at
            )
        except (NotSigned, Unauthorized):
            self.limiter.stranger(self.proxies.caller(*peer_of(scope)))
            raise
        self.rates.spend(device)
        return device, nonce

    async def accept(
        self,
        event: ReviewEvent | CaseEvent,
        *,
        source: str,
        sent: bytes | None = None,
        nonce: str = "",
        once: str = "",
        sender: str = "",
    ) -> Accepted:
        """Check and take one event; it is on disk when this returns.

        `source`: of the CloudEvent, e.g. `/qr`. `sender`: who is signed as having sent it, if that is not the source. `sent`: its
        JSON as a device sent it, for the device's chain and for what it says beyond the contract. `nonce`: of the signature.
        `once`: what admits one event only, e.g. `<token id>/1`.
        Raises Invalid; SpoolFull, NonceUsed, AlreadyUsed of the spool. `received_at` of the event is overwritten.
        """
        return await self.take(self.read(type(event), _encode(event)), source, sent, nonce, once, sender)

    def read(
        self, kind: type[ReviewEvent] | type[CaseEvent], value: bytes, ce_id: str | None = None
    ) -> Received[Any]:
        """The event in these bytes, received now whatever it says itself. Raises Invalid."""
        now = self.clock()
        parsed: tuple[Any, str] = parse(kind, value, ce_id)
        received: Received[Any] = receive(*parsed, now, now)
        received.event.received_at = now
        if (getattr(received.event, "device_seq", None) or 0) > MOST_DEVICE_SEQ:
            raise Invalid(Reason.OUT_OF_RANGE, f"device_seq: expected `int` <= {MOST_DEVICE_SEQ}")
        return received

    async def take(
        self,
        received: Received[Any],
        source: str,
        sent: bytes | None = None,
        nonce: str = "",
        once: str = "",
        sender: str = "",
    ) -> Accepted:
        """Take an event that `read` gave. Returns and raises as `accept`."""
        record = self.record(received, source, sent, sender)
        reply = self._land().reply()
        began = time.perf_counter()
        self.spool.append_for(reply, record, nonce, once)
        appended: Appended = await reply.waiting
        metrics.GATEWAY_ACCEPT_SECONDS.observe(time.perf_counter() - began)
        return Accepted(received.event_id, appended.received_at, appended.seen_before)

    async def take_all(self, records: Sequence[Record], nonce: str) -> list[Answer]:
        """Take a batch of records in one commit; what became of each. Raises NonceUsed, SpoolBroken."""
        return await asyncio.wrap_future(self.spool.append_all(records, nonce=nonce))

    async def use_up(self, nonce: str) -> None:
        """Remember on disk that a request was made that brings no event. Raises NonceUsed, SpoolFull, SpoolBroken."""
        await self.take_all([], nonce)

    def _land(self) -> Landing:
        loop = asyncio.get_running_loop()
        if self._landing is None or self._landing.loop is not loop:
            self._landing = Landing(loop)
        return self._landing

    def record(
        self, received: Received[Any], source: str, sent: bytes | None = None, sender: str = ""
    ) -> Record:
        """The record of an event, as the log will have it, signed. Raises Invalid.

        Fields that the contract does not know are kept of what a device sent, and count for nothing: the same event with
        others is the same event.
        """
        event, stream = received.event, Stream.CASE
        if isinstance(event, ReviewEvent):
            stream = Stream.REVIEW
            self._seal_reviewer(event, received.event_id, received.received_at)
        value = _encode(event)
        if sent is not None:
            value = with_unknown(value, type(event), sent)
        if len(value) > MAX_BYTES:
            raise Invalid(Reason.TOO_LARGE, f"{len(value)} bytes as kept, at most {MAX_BYTES} are allowed")
        key = key_of(event)
        headers = list(
            cloud_headers(received.event_id, stream, source, received.received_at.isoformat(), key).items()
        )
        if sent is not None and isinstance(event, ReviewEvent) and event.device_seq is not None:
            headers.append((SENT_DIGEST, sha256(sent).hexdigest().encode()))
        topic = self.settings.kafka.topic(stream)
        headers.append(
            self.sealer.edge.sign(topic, received.event_id, event.received_at, sender or source, value)
        )
        return Record(received.event_id, received.digest, stream.value, key.encode(), headers, value)

    def _seal_reviewer(self, event: ReviewEvent, event_id: str, at: datetime) -> None:
        """No clear identity goes further. The mark is ours alone: a sender's may be a phone number in clear."""
        event.reviewer_mark = ""
        match event.reviewer:
            case None:
                return
            case str(sealed):
                reviewer = self._open(event_id, sealed)
            case Reviewer() as reviewer:
                event.reviewer = self.sealer.seal_reviewer(
                    event_id, reviewer.name, reviewer.phone, reviewer.id_number, at=at
                )
        event.reviewer_mark = self.sealer.mark_of(reviewer)

    def _open(self, event_id: str, sealed: str) -> Reviewer:
        try:
            return self.sealer.open_reviewer(event_id, sealed)
        except (CannotOpen, msgspec.MsgspecError):
            raise Invalid(
                Reason.WRONG_TYPE, "reviewer: expected an object, or a seal of ours for this event"
            ) from None
