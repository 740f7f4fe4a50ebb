"""Tokens: what goes in comes out, for its time, with any key of the settings; nothing else comes out of anything."""

import base64
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.seal_keys import Seal
from producers.tokens import (
    MAX_LENGTH,
    CaseToken,
    Claims,
    Kind,
    Place,
    TokenBad,
    TokenExpired,
    Tokens,
    new_id,
)
from schemas.codes import Channel

NOW = datetime(2026, 11, 23, 15, 20, tzinfo=UTC)
DAY = timedelta(days=1)
KEYS = {name: base64.b64encode(sha256(name.encode()).digest()).decode() for name in ("a", "b2", "a0", "B")}
URL_SAFE = re.compile("[A-Za-z0-9._-]+")
WINDOW = Place(
    token_id="t",
    kind=Kind.WINDOW,
    name="3号 社保综合窗口",
    dept_code="116103260000000101",
    hall_code="H1",
    window_code="W03",
)
CASE = CaseToken(
    token_id="c", case_no="MX20261123000451", service_no=2, channel=Channel.APP, name="内资公司设立登记"
)


def tokens(*names: str, now: datetime = NOW) -> Tokens:
    """Reads with all of these keys, signs with the last; the first is the root."""
    seal = {"current": names[-1], "root": names[0], "keys": {name: KEYS[name] for name in names}}
    return Tokens(Seal.model_validate(seal), lambda: now)


ours = tokens("a")
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
places = st.builds(
    Place, token_id=text, kind=st.sampled_from(Kind), name=text, dept_code=text, item_code=text
)
cases = st.builds(
    CaseToken, token_id=text, case_no=text, service_no=st.integers(1, 99), channel=st.sampled_from(Channel)
)


@given(places | cases)
def test_what_goes_in_comes_out(claims: Claims) -> None:
    token = ours.make(claims, NOW + DAY)
    assert URL_SAFE.fullmatch(token)
    assert ours.read(token) == claims


@given(st.sampled_from([WINDOW, CASE]), st.data())
def test_a_damaged_one_says_nothing_else(claims: Claims, data: st.DataObject) -> None:
    token = ours.make(claims, NOW + DAY)
    at = data.draw(st.integers(0, len(token) - 1))
    put = data.draw(st.text("AZaz09-_.~é", max_size=2))
    damaged = token[:at] + put + token[at + 1 :]
    try:
        assert ours.read(damaged) == claims, "the last letter of a signature has bits that mean nothing"
    except TokenBad:
        assert damaged != token


@given(
    st.text(max_size=60)
    | st.binary(max_size=60).map(lambda raw: "1a." + base64.urlsafe_b64encode(raw).decode())
)
def test_no_words_make_a_token(words: str) -> None:
    with pytest.raises(TokenBad):
        ours.read(words)


def test_a_long_one_is_not_looked_at() -> None:
    whole = ours.make(CaseToken(token_id="c", case_no="x" * MAX_LENGTH), NOW + DAY)
    with pytest.raises(TokenBad, match="no version or key"):
        ours.read(whole)


def test_the_longest_is_looked_at_and_one_from_before_issuers_were_kept_has_none() -> None:
    far = "\U00010000"
    codes: dict[str, Any] = {"dept_code": far * 18, "item_code": far * 36}
    codes |= dict.fromkeys(("hall_code", "window_code", "staff_id", "case_no"), far * 64)
    longest = CaseToken(token_id="c" * 18, **codes, name=far * 80, issuer="/system/" + "d" * 64)
    assert ours.read(ours.make(longest, NOW + DAY)) == longest
    before = msgspec.structs.astuple(CASE)[:-1]
    assert msgspec.convert(before, CaseToken) == CASE


def test_it_ends_to_the_second() -> None:
    token = ours.make(WINDOW, NOW + DAY)
    assert tokens("a", now=NOW + DAY - timedelta(seconds=1)).read(token) == WINDOW
    with pytest.raises(TokenExpired):
        tokens("a", now=NOW + DAY).read(token)


def test_keys_rotate() -> None:
    old = ours.make(CASE, NOW + DAY)
    both = tokens("a", "b2")
    assert both.read(old) == CASE
    new = both.make(CASE, NOW + DAY)
    assert new.startswith("1b2.")
    with pytest.raises(TokenBad):
        ours.read(new)
    with pytest.raises(TokenBad):
        both.read("1b2." + old.partition(".")[2])


def test_no_key_no_tokens() -> None:
    with pytest.raises(ValueError, match="HCP_SEAL__KEYS"):
        Tokens(Seal())


def test_a_case_cannot_be_read_off_its_link() -> None:
    token = ours.make(CASE, NOW + DAY)
    parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token[3:].split(".")]
    seen = token.encode() + b"".join(parts)
    assert b"451" not in seen
    assert b"MX2026" not in seen
    assert "公司".encode() not in seen
    place = ours.make(WINDOW, NOW + DAY)
    clear = base64.urlsafe_b64decode(place.split(".")[1] + "==")
    assert b"W03" in clear, "the twin: a place is not sealed, and this test would see it"


ROTATIONS = [("a",), ("a", "b2"), ("a", "B"), ("a", "b2", "a0"), ("a", "a0")]
"""One after the other: keys are added that sort behind the root and before it, others are taken away again."""


def ids(made: list[Tokens]) -> int:
    """How many ids the links for one service get."""
    return len({one.case_id("A1", 1) for one in made})


def test_every_token_of_a_service_has_one_id_whatever_rotates() -> None:
    assert ids([tokens(*names) for names in ROTATIONS]) == 1
    assert len({ours.case_id("A1", 1), ours.case_id("A1", 2), ours.case_id("1/A1", 1)}) == 3
    assert len({new_id() for _ in range(100)}) == 100


def test_an_id_from_the_key_with_the_least_name_would_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin: as it once was."""
    monkeypatch.setattr(Seal, "root_id", property(lambda seal: min(seal.keys)))
    assert ids([tokens(*names) for names in ROTATIONS]) == 2


def test_they_are_short_enough_to_print() -> None:
    assert len(ours.make(WINDOW, NOW + DAY)) < 230
    assert len(ours.make(CASE, NOW + DAY)) < 250


def test_fields_are_the_contracts() -> None:
    assert WINDOW.fields() == {
        "dept_code": "116103260000000101",
        "hall_code": "H1",
        "window_code": "W03",
    }
    assert CASE.fields() == {"case_no": "MX20261123000451", "service_no": 2}
    assert (WINDOW.channel, CASE.channel) == ("qr", "app")
