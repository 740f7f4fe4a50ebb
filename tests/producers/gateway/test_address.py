"""Whose address counts: the rightmost that is no proxy of ours; what a caller writes himself changes nothing."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.gateway.address import UNKNOWN, Proxies
from producers.gateway.limiter import caller_of

PROXIES = Proxies(["10.0.0.0/8", "192.168.1.1", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1,198.51.100.1 , 10.0.0.2,192.168.1.1", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "unknown", UNKNOWN),
        ("10.0.0.1", "198.51.100.1, unknown", UNKNOWN),
        ("10.0.0.1", "198.51.100.1, unknown, 10.0.0.2", UNKNOWN),
        ("10.0.0.1", "_hidden", UNKNOWN),
        ("10.0.0.1", " ", UNKNOWN),
        ("10.0.0.1", "198.51.100.1,", UNKNOWN),
        ("10.0.0.1", ",,198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", ",".join(["10.0.0.1"] * 5_000), UNKNOWN),
        ("10.0.0.1", "unknown," + ",".join(["10.0.0.1"] * 3), UNKNOWN),
        ("fd00::1", "[2001:db8::5]:4711", "2001:db8::5"),
        ("::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "fe80::1%any text", "fe80::1"),
        ("", "198.51.100.1", UNKNOWN),
        ("", "", UNKNOWN),
    ],
)
def test_the_rightmost_that_is_no_proxy(peer: str, forwarded: str, caller: str) -> None:
    assert PROXIES.caller(peer, forwarded) == caller


@given(st.text(alphabet="0123456789.,: af[]x", max_size=80))
def test_what_the_caller_writes_itself_changes_nothing(forged: str) -> None:
    """The proxy adds the caller's address on the right of whatever was there."""
    assert PROXIES.caller("203.0.113.7", forged) == "203.0.113.7"
    assert PROXIES.caller("10.0.0.1", f"{forged},198.51.100.1") == "198.51.100.1"


@pytest.mark.parametrize(
    ("peer", "forwarded", "operator"),
    [
        ("127.0.0.1", "", True),
        ("::1", "", True),
        ("10.1.2.3", "", True),
        ("203.0.113.7", "", False),
        ("203.0.113.7", "127.0.0.1", False),
        ("127.0.0.1", "203.0.113.7", False),
        ("10.0.0.1", "203.0.113.7", False),
        ("10.0.0.1", "127.0.0.1, 203.0.113.7", False),
        ("10.0.0.1", "10.0.0.9", True),
        ("10.0.0.1", "unknown", False),
        ("10.0.0.1", "127.0.0.1, unknown", False),
        ("10.0.0.1", "127.0.0.1,", False),
        ("10.0.0.1", " ", False),
        ("", "", False),
        ("", "127.0.0.1", False),
    ],
)
def test_the_operator_is_here_or_where_we_trust(peer: str, forwarded: str, operator: bool) -> None:
    assert PROXIES.is_operator(peer, forwarded) is operator


def test_a_proxy_must_be_an_address() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        Proxies(["proxy.example"])


@given(st.text(max_size=60))
def test_no_text_is_an_error_or_an_operator_by_accident(text: str) -> None:
    """What a proxy of ours names is an address, or nobody's; and whoever is nobody has one limit with all the others."""
    caller = PROXIES.caller("10.0.0.1", text)
    assert caller_of(caller)
    if caller == UNKNOWN:
        assert not PROXIES.is_operator("10.0.0.1", text)
    else:
        assert ip_address(caller)
