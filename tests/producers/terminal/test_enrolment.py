"""The enrolment link: made by the register, read by a terminal, the same both ways; and what is no such link."""

import secrets
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.devices.managing import NewKey, encode
from producers.terminal.enrolment import FILE, Enrolment, NotEnrolledError, keep, kept, link, read_link
from schemas.codes import Channel

SECRET = encode(secrets.token_bytes(32))
KEY = NewKey("terminal-1", "k1", SECRET, "s1.test.abc_-")
names = st.from_regex("[A-Za-z0-9._-]{1,64}", fullmatch=True)


@given(
    st.sampled_from(["https://hcp.example", "http://127.0.0.1:18088", "https://meixian.example/hcp"]),
    st.text(min_size=1, max_size=64).filter(lambda text: text.isprintable()),
    names,
    names,
)
def test_what_is_made_is_what_is_read(gateway: str, window: str, device: str, ticket: str) -> None:
    made = link(gateway, window, NewKey(device, "k1", SECRET, ticket))
    assert read_link(f"  {made}\n") == (gateway, window, device, ticket)
    assert SECRET not in made
    assert "ticket" not in urlsplit(made)._replace(fragment="").geturl()  # what a server is sent


GOOD = link("https://hcp.example", "W1", KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://hcp.example/terminal/W1",
        GOOD.replace("ticket", "tikket"),
        GOOD.replace("device", "devise"),
        GOOD.replace("/terminal/", "/r/"),
        GOOD.replace("/W1", "/"),
        GOOD.replace("https", "ftp"),
        "http://[/terminal/W1#device=a&ticket=x",
    ],
    ids=range(8),
)
def test_what_is_no_link_is_told(text: str) -> None:
    with pytest.raises(NotEnrolledError) as told:
        read_link(text)
    assert KEY.ticket not in str(told.value)


def test_it_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "terminal"
    with pytest.raises(NotEnrolledError):
        kept(folder)
    enrolment = Enrolment("https://hcp.example", "W1", "terminal-1", "k1", SECRET, Channel.TERMINAL)
    keep(folder, enrolment)
    assert kept(folder) == enrolment
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
