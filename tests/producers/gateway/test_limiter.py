"""How often one may come: windows that move, headers that say so, memory that is bounded."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.settings import Gateway
from producers.gateway.errors import RateLimited
from producers.gateway.limiter import Limiter, caller_of, headers_of
from producers.gateway.windows import Windows


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def limiter(clock: Seconds, address: int = 3, token: int = 2, total: int = 5) -> Limiter:
    quotas = {"address_per_minute": address, "token_per_minute": token, "token_total_per_minute": total}
    return Limiter(Gateway.model_validate(quotas), clock)


def test_so_many_in_any_minute_and_no_more() -> None:
    clock = Seconds()
    counted = limiter(clock)
    for left in (2, 1, 0):
        assert counted.address("198.51.100.1").left == left
        clock.now += 10
    with pytest.raises(RateLimited) as refused:
        counted.address("198.51.100.1")
    assert refused.value.headers["Retry-After"] == "30"
    assert refused.value.headers["RateLimit"] == '"address";r=0;t=30'
    assert counted.address("198.51.100.2").left == 2
    clock.now += 30
    assert counted.address("198.51.100.1").left == 0
    with pytest.raises(RateLimited):
        counted.address("198.51.100.1")


def test_a_token_is_counted_for_each_address() -> None:
    counted = limiter(Seconds())
    for _ in range(2):
        counted.token("t", "198.51.100.1")
    with pytest.raises(RateLimited):
        counted.token("t", "198.51.100.1")
    assert counted.token("t", "198.51.100.2")[0].left == 1
    assert counted.token("u", "198.51.100.1")[0].left == 1


def test_a_token_is_counted_for_all_addresses_together() -> None:
    """Each from an address of its own: nobody's own limit says anything."""
    clock = Seconds()
    counted = limiter(clock)
    lefts = [counted.token("t", f"198.51.100.{n}")[1].left for n in range(5)]
    assert lefts == [4, 3, 2, 1, 0]
    clock.now += 20
    with pytest.raises(RateLimited) as refused:
        counted.token("t", "198.51.100.99")
    assert refused.value.headers == {
        "RateLimit-Policy": '"token-total";q=5;w=60',
        "RateLimit": '"token-total";r=0;t=40',
        "Retry-After": "40",
    }
    assert counted.token("u", "198.51.100.99")[1].left == 4, "another token"
    clock.now += 40
    assert counted.token("t", "198.51.100.99")[1].left == 4


def test_one_address_alone_does_not_use_up_a_token() -> None:
    counted = limiter(Seconds())
    for n in range(20):
        if n < 2:
            counted.token("t", "198.51.100.1")
        else:
            with pytest.raises(RateLimited):
                counted.token("t", "198.51.100.1")
    assert counted.token("t", "198.51.100.2")[1].left == 2


def test_the_headers_are_lists_of_structured_fields() -> None:
    counted = limiter(Seconds())
    headers = headers_of(counted.address("a"), *counted.token("t", "a"))
    assert headers["RateLimit-Policy"] == '"address";q=3;w=60, "token";q=2;w=60, "token-total";q=5;w=60'
    assert re.fullmatch(r'"address";r=2;t=60, "token";r=1;t=60, "token-total";r=4;t=60', headers["RateLimit"])
    assert headers_of() == {}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("198.51.100.1", "198.51.100.2", False),
        ("testclient", "testclient", True),
    ],
)
def test_a_household_is_one_caller(one: str, other: str, same: bool) -> None:
    assert (caller_of(one) == caller_of(other)) is same


def test_the_one_longest_silent_is_forgotten_first() -> None:
    clock = Seconds()
    windows = Windows(max_callers=3, clock=clock)
    for key in "abc":
        assert windows.acquire_entry(key, 1, 60)
    assert not windows.acquire_entry("a", 1, 60)
    assert windows.acquire_entry("d", 1, 60)
    assert not windows.acquire_entry("a", 1, 60)
    assert windows.acquire_entry("b", 1, 60), "b was forgotten"
    assert windows.reset() == 3


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 90)), max_size=40))
def test_no_minute_ever_holds_more_than_the_quota(calls: list[tuple[str, float]]) -> None:
    clock = Seconds()
    windows, taken = Windows(clock=clock), []
    for key, pause in calls:
        clock.now += pause
        if windows.acquire_entry(key, 3, 60):
            taken.append((key, clock.now))
        inside = [at for who, at in taken if who == key and at > clock.now - 60]
        assert len(inside) <= 3
        assert windows.get_moving_window(key, 3, 60)[1] == len(inside)
