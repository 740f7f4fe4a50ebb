"""Tickets of enrolment links: what is made is read, for a quarter of an hour; nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.seal_keys import Seal
from pipeline.sealing import Sealer
from producers.devices.tickets import LASTS, MOST, TicketBad, TicketExpired, Tickets
from tests.conftest import SEAL_KEY
from tests.producers.gateway.house import Clock

SEALER = Sealer(Seal.model_validate({"current": "test", "keys": {"test": SEAL_KEY}}))
names = st.from_regex("[A-Za-z0-9._-]{1,64}", fullmatch=True)


@given(names, names)
def test_what_is_made_is_what_is_read(device: str, key: str) -> None:
    tickets = Tickets(SEALER, Clock())
    made = tickets.make(device, key)
    assert len(made) <= MOST
    read = tickets.read(made)
    assert (read.device_id, read.key_id) == (device, key)
    assert tickets.read(tickets.make(device, key)).ticket_id != read.ticket_id


def test_it_lasts_fifteen_minutes() -> None:
    clock = Clock()
    tickets = Tickets(SEALER, clock)
    made = tickets.make("terminal-1", "k1")
    clock.move(seconds=LASTS.total_seconds() - 1)
    tickets.read(made)
    clock.move(seconds=1)
    with pytest.raises(TicketExpired):
        tickets.read(made)


@given(st.text(max_size=100) | st.integers(0, 150))
def test_what_is_no_ticket_is_told(damage: str | int) -> None:
    tickets = Tickets(SEALER, Clock())
    made = tickets.make("terminal-1", "k1")
    other = damage if isinstance(damage, str) else made[:damage] + made[damage + 1 :]
    if other != made:
        with pytest.raises(TicketBad):
            tickets.read(other)


def test_what_was_sealed_about_something_else_is_none() -> None:
    with pytest.raises(TicketBad):
        Tickets(SEALER, Clock()).read(SEALER.seal(b"\x94\xa1a\xa1b\xa1c\xce\xff\xff\xff\xff", "sms", "a"))
