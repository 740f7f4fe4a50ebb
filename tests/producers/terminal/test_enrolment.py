"""The enrolment link: made by the register, read by a terminal, the same both ways; and what is no such link."""

import secrets
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.devices.managing import NewKey, encode
from producers.terminal.enrolment import FILE, NotEnrolledError, keep, kept, link, read_link
from schemas.codes import Channel

SECRET = secrets.token_bytes(32)
KEY = NewKey("terminal-1", "k1", encode(SECRET))
names = st.from_regex("[A-Za-z0-9._-]{1,64}", fullmatch=True)


@given(
    st.sampled_from(["https://hcp.example", "http://127.0.0.1:18088", "https://meixian.example/hcp"]),
    st.text(min_size=1, max_size=64).filter(lambda text: text.isprintable()),
    names,
    names,
    st.binary(min_size=32, max_size=32),
)
def test_what_is_made_is_what_is_read(
    gateway: str, window: str, device: str, key: str, secret: bytes
) -> None:
    made = link(gateway, window, NewKey(device, key, encode(secret)))
    read = read_link(f"  {made}\n", Channel.KIOSK)
    assert (read.gateway, read.window_code, read.channel) == (gateway, window, Channel.KIOSK)
    assert read.sender == (device, key, secret)
    assert encode(secret) not in urlsplit(made)._replace(fragment="").geturl()  # what a server is sent


GOOD = link("https://hcp.example", "W1", KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://hcp.example/terminal/W1",
        GOOD.replace("secret", "sekret"),
        GOOD[:-1],
        GOOD.replace("/terminal/", "/r/"),
        GOOD.replace("/W1", "/"),
        GOOD.replace("https", "ftp"),
        "http://[/terminal/W1#device=a&key=k&secret=x",
    ],
    ids=range(8),
)
def test_what_is_no_link_is_told(text: str) -> None:
    with pytest.raises(NotEnrolledError) as told:
        read_link(text, Channel.TERMINAL)
    assert KEY.secret not in str(told.value)


def test_it_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "terminal"
    with pytest.raises(NotEnrolledError):
        kept(folder)
    enrolment = read_link(GOOD, Channel.TERMINAL)
    keep(folder, enrolment)
    assert kept(folder) == enrolment
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
