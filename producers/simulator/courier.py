"""Delivers a parcel (steps that one sender sends together) by its way, until each of its events is taken or refused for good."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from producers.simulation.senders import PLATFORM
from producers.simulation.step import Step, Trouble, Way
from producers.simulator import letters
from producers.simulator.asking import Asker, kind_in, kind_of
from producers.simulator.chain import Chain
from producers.simulator.connection import Answer
from producers.simulator.enrolment import Enrolled
from producers.simulator.tally import Tally
from producers.spool.http_sink import Answer as Told
from producers.tokens import Tokens
from schemas.events import CaseEvent, ReviewEvent

Parcel = Sequence[Step]
TOKEN_DAYS = 30
INVITATION = "invitation"

_told = msgspec.json.Decoder(Told).decode


class NotTaken(Exception):
    """A citizen did not come as far as to send anything. The message is the kind of refusal."""


class Shared(NamedTuple):
    """What all couriers have in common."""

    url: str
    enrolled: Enrolled
    tokens: Tokens
    tally: Tally
    chains: dict[str, Chain]
    stop: asyncio.Event


class Courier:
    """One of several: a connection, one task. What must keep its order goes by the same one."""

    def __init__(self, shared: Shared) -> None:
        self._shared, self._tally = shared, shared.tally
        self._asker = Asker(shared.url, shared.tally, shared.stop)

    async def deliver(self, parcel: Parcel) -> None:
        """Returns when it is answered for. Raises Stopped."""
        try:
            await self._by_its_way(parcel)
        except NotTaken as refused:
            self._tally.refuse(str(refused))

    def close(self) -> None:
        """Let go of the connection."""
        self._asker.close()

    async def _by_its_way(self, parcel: Parcel) -> None:
        match parcel[0].way:
            case Way.BATCH:
                await self._batch(parcel)
            case Way.FORM:
                await self._form(parcel[0])
            case Way.TOKEN:
                await self._token(parcel[0])
            case Way.SINGLE | Way.CHAIN:
                await self._single(parcel[0])

    async def _single(self, step: Step) -> None:
        sender, event, body = self._shared.enrolled[step.sender], step.event, self._body(step)
        for _ in range(_times(step)):
            answer = await self._asker.ask(
                step.way, [str(event.event_id)], lambda: letters.single(sender, event, body)
            )
            self._tell(step, answer, str(event.event_id))

    def _body(self, step: Step) -> bytes:
        """The event's JSON; a terminal's is the next of its chain, which begins anew with a new installation."""
        chains = self._shared.chains
        if step.way is not Way.CHAIN:
            return letters.encode(step.event)
        if step.trouble is Trouble.REINSTALLED:
            chains.pop(step.sender, None)
        return chains.setdefault(step.sender, Chain()).link(_review(step))

    async def _batch(self, parcel: Parcel) -> None:
        waiting = [step for step in parcel for _ in range(_times(step))]
        while waiting := await self._try_batch(waiting):
            await self._asker.rest()

    async def _try_batch(self, steps: list[Step]) -> list[Step]:
        """Send them as one; returns those for which the gateway has no room now."""
        sender, events = self._shared.enrolled[steps[0].sender], [step.event for step in steps]
        names = [str(event.event_id) for event in events]
        answer = await self._asker.ask(Way.BATCH, names, lambda: letters.batch(sender, events))
        if answer.status not in {HTTPStatus.ACCEPTED, HTTPStatus.MULTI_STATUS}:
            for step in steps:
                self._tell(step, answer, "")
            return []
        told = list(zip(steps, _told(answer.body).results, strict=True))
        for step, one in told:
            if one.taken:
                self._tally.take(step, str(step.event.event_id))
            elif one.never:
                self._tally.refuse(kind_in(one.problem or {}))
        return [step for step, one in told if not (one.taken or one.never)]

    async def _token(self, step: Step) -> None:
        event = _review(step)
        token = await self._token_of(event)
        request = letters.spoken(token, event)
        for _ in range(_times(step)):
            answer = await self._asker.ask(Way.TOKEN, [str(event.event_id)], lambda: request)
            self._tell(step, answer, str(event.event_id))

    async def _form(self, step: Step) -> None:
        """As a browser does: the page, then its form; twice for a double click."""
        event = _review(step)
        token = await self._token_of(event)
        page = await self._asker.ask(Way.FORM, (), lambda: letters.opened(token, event))
        event_id = letters.event_id_in(page.body)
        if not event_id:
            raise NotTaken(kind_of(page))
        request = letters.filled_in(token, event, event_id)
        for _ in range(_times(step)):
            answer = await self._asker.ask(Way.FORM, [event_id], lambda: request)
            self._tell(step, answer, letters.event_id_of(answer.headers.get("location", "")))

    async def _token_of(self, event: ReviewEvent) -> str:
        """A case's system asks the gateway for it, a window's hangs on the wall. Raises NotTaken."""
        if event.case_no is None:
            expires = datetime.now(UTC) + timedelta(days=TOKEN_DAYS)
            return self._shared.tokens.make(letters.on_the_wall(event), expires)
        sender = self._shared.enrolled[PLATFORM]
        answer = await self._asker.ask(INVITATION, (), lambda: letters.invitation(sender, event))
        if answer.status != HTTPStatus.CREATED:
            raise NotTaken(kind_of(answer))
        return str(msgspec.json.decode(answer.body)["token"])

    def _tell(self, step: Step, answer: Answer, event_id: str) -> None:
        if event_id and answer.status in {HTTPStatus.ACCEPTED, HTTPStatus.SEE_OTHER}:
            self._tally.take(step, event_id)
        else:
            self._tally.refuse(kind_of(answer))


def _times(step: Step) -> int:
    return 2 if step.trouble is Trouble.AGAIN else 1


def _review(step: Step) -> ReviewEvent:
    """Of a step by a way on which only reviews go."""
    if isinstance(step.event, CaseEvent):
        raise TypeError("cases come from systems")
    return step.event
