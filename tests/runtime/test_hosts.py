"""A page of elsewhere whose name was rebound to our address has a name; we have addresses, and names that we were given."""

import pytest

from pipeline.runtime.hosts import Hosts

OURS = Hosts(["Ops.example"])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.1:19100", "localhost", "LOCALHOST:80", "localhost.", "[::1]:18080", "[::1]",
        "10.1.2.3:18088", "ops.example", "ops.example:18088",
    ],
)  # fmt: skip
def test_addresses_and_given_names_are_ours(host: str) -> None:
    assert OURS.has(host)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:19100", "127.0.0.1.evil.example", "localhost.evil.example", "evil.ops.example", "["],
)  # fmt: skip
def test_other_names_are_not(host: str) -> None:
    assert not OURS.has(host)
