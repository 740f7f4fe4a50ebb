"""Sealing: deterministic, bound to what it is about, rotatable; weak keys are refused."""

import base64
import json
import os
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.ledger.decode import decode
from pipeline.ledger.portion import Portion, Record
from pipeline.seal_keys import Seal
from pipeline.sealing import CannotOpen, Sealer
from pipeline.settings import load
from pipeline.weak_keys import weakness
from schemas.events import Reviewer
from schemas.topics import Stream
from tests.conftest import MONTHS
from tests.harness import review

AT = datetime(2026, 11, 23, tzinfo=UTC)
OLD, NEW, NEXT = (base64.b64encode(sha256(name).digest()).decode() for name in (b"old", b"new", b"next"))


def ring(current: str, root: str = "", **keys: str) -> Seal:
    return Seal.model_validate({"current": current, "root": root, "keys": keys, "months": MONTHS})


def test_a_retry_gives_the_same_bytes_and_only_the_same_event_opens_them() -> None:
    sealer = Sealer(ring("a", a=OLD))
    sealed = sealer.seal_reviewer("e1", "张三", "19900001234", "", at=AT)
    assert sealed == sealer.seal_reviewer("e1", "张三", "19900001234", "", at=AT)
    assert sealed != sealer.seal_reviewer("e2", "张三", "19900001234", "", at=AT)
    assert "19900001234" not in sealed
    assert sealer.open_reviewer("e1", sealed).phone == "19900001234"
    with pytest.raises(CannotOpen):
        sealer.open_reviewer("e2", sealed)


def test_after_a_rotation_the_old_key_still_opens_and_marks_stay_alike() -> None:
    before, after = Sealer(ring("m", m=OLD)), Sealer(ring("b", "m", m=OLD, b=NEW))
    assert after.open(before.seal(b"1", "e"), "e") == b"1"
    assert before.mark("199 0000 1234") == after.mark("19900001234") != after.mark("19900001235")
    with pytest.raises(CannotOpen):
        before.open(after.seal(b"1", "e"), "e")


def test_a_mark_stays_when_keys_sort_before_the_root_and_when_others_go() -> None:
    rings = [
        ring("m", m=OLD),
        ring("a", "m", m=OLD, a=NEW),
        ring("Z9", "m", m=OLD, a=NEW, Z9=NEXT),
        ring("Z9", "m", m=OLD, Z9=NEXT),
    ]
    assert len({Sealer(one).mark("19900001234") for one in rings}) == 1
    sealed = Sealer(rings[1]).seal(b"1", "e")
    assert Sealer(rings[2]).open(sealed, "e") == b"1"
    with pytest.raises(CannotOpen):
        Sealer(rings[3]).open(sealed, "e")
    assert Sealer(ring("a", a=NEW)).mark("19900001234") != Sealer(rings[0]).mark("19900001234"), "the twin"


TYPED = [
    "13800135678",
    "138-0013-5678",
    "+86 138 0013 5678",
    "008613800135678",
    "１３８００１３５６７８",
    " 138.0013.5678\u200b",
]


def test_one_phone_has_one_mark_and_it_is_that_of_its_digits() -> None:
    sealer = Sealer(ring("a", a=OLD))
    assert {sealer.mark_of(Reviewer("王", typed)) for typed in TYPED} == {sealer.mark("13800135678")}, (
        "as ever"
    )
    assert sealer.mark_of(Reviewer(phone="(0917) 5542000")) == sealer.mark("09175542000")
    assert sealer.mark_of(Reviewer(phone="no phone")) == sealer.mark("no phone"), "it stays what it was"
    assert sealer.mark_of(Reviewer(id_number="x1 ")) == sealer.mark("X1")
    assert sealer.mark_of(Reviewer("王")) == ""


@given(
    st.text("- ()+.\u2010\u3000", max_size=3), st.integers(1, 10), st.sampled_from(["", "86", "+86", "0086"])
)
def test_what_stands_between_the_digits_makes_no_other_person(between: str, at: int, country: str) -> None:
    number, sealer = "13800135678", Sealer(ring("a", a=OLD))
    typed = country + number[:at] + between.replace("+", "") + number[at:]
    assert sealer.mark_of(Reviewer(phone=typed)) == sealer.mark(number)


def test_the_fold_marks_what_a_foreign_sender_left_open_in_the_same_way() -> None:
    events, now_ms = [review("A", reviewer={"phone": typed}) for typed in TYPED], int(time.time() * 1000)
    records = [Record(at, now_ms, None, (), json.dumps(one).encode()) for at, one in enumerate(events)]
    sealer = Sealer(ring("a", a=OLD))
    read = decode(Portion(Stream.REVIEW, "t", 0, 0, len(records), records), sealer)
    assert read.dead == []
    assert {arrival.entry.event.reviewer_mark for arrival in read.arrivals} == {sealer.mark("13800135678")}


def test_several_keys_need_a_root_and_a_root_needs_its_key() -> None:
    for wrong, said in (
        (("b", "", OLD), "HCP_SEAL__ROOT is missing: .* name the first one"),
        (("b", "gone", OLD), "HCP_SEAL__ROOT names no key .* put that key back"),
    ):
        with pytest.raises(ValidationError, match=said):
            ring(*wrong[:2], m=wrong[2], b=NEW)
    with pytest.raises(ValidationError, match="put that key back"):
        ring("b", "m", b=NEW)
    assert ring("m", m=OLD).root_id == "m"


@pytest.mark.parametrize(
    "text", ["", "s1.a.AAAA", "s1.zz.AAAA", "13800001111", "s1.a.%%%", "s1.m202611.AAAA"]
)
def test_what_is_not_sealed_by_us_does_not_open(text: str) -> None:
    with pytest.raises(CannotOpen):
        Sealer(ring("a", a=OLD)).open(text)


@pytest.fixture
def stack_of_k1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the settings of a running stack, which seals with k1."""
    keys = json.dumps({"k1": OLD})
    (tmp_path / "env").write_text(f"HCP_SEAL__CURRENT='k1'\nHCP_SEAL__KEYS='{keys}'\nHCP_WORKER__SLOTS='3'\n")
    monkeypatch.setenv("HCP_STACK__DATA_DIR", str(tmp_path))


@pytest.mark.usefixtures("stack_of_k1")
def test_keys_of_the_environment_replace_those_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (list(load().seal.keys), load().worker.slots) == (["k1"], 3)
    monkeypatch.setenv("HCP_SEAL__KEYS", json.dumps({"k2": NEW, "k3": NEXT}))
    monkeypatch.setenv("HCP_SEAL__CURRENT", "k3")
    with pytest.raises(ValidationError, match="HCP_SEAL__ROOT is missing"):
        load()
    monkeypatch.setenv("HCP_SEAL__ROOT", "k2")
    with (Path(os.environ["HCP_STACK__DATA_DIR"]) / "env").open("a") as env:
        env.write("HCP_SEAL__MONTHS='/where/the/stack/has/them'\n")
    seal = load().seal
    assert seal.months == Path("/where/the/stack/has/them"), "keys are taken away, their folder stays"
    assert (list(seal.keys), seal.current, seal.root_id) == (["k2", "k3"], "k3", "k2")
    assert load().worker.slots == 3


def in_base64(key: bytes) -> str:
    return base64.b64encode(key).decode()


WEAK = [
    (b"", "has 0 bytes"),
    (bytes(range(7, 38)), "has 31 bytes"),
    (NEW.encode(), "has 44 bytes"),
    (bytes(32), "a sequence"),
    (b"\xff" * 32, "a sequence"),
    (bytes(range(32)), "a sequence"),
    (bytes(range(231, 199, -1)), "a sequence"),
    (bytes(range(1, 17)) + bytes(range(100, 116)), "a sequence"),
    (b"0" * 32, "is text"),
    (b"a passphrase of 32 letters, yes!", "is text"),
    (sha256(b"old").digest()[:16] * 2, "repeats itself"),
    (b"\xde\xad\xbe\xef" * 8, "repeats itself"),
    (sha256(b"secret").digest(), "the digest of a word"),
    (sha256(b"").digest(), "the digest of a word"),
]


@pytest.mark.parametrize(("key", "why"), WEAK, ids=range(len(WEAK)))
def test_weak_keys_are_refused(key: bytes, why: str) -> None:
    with pytest.raises(ValidationError, match=f"HCP_SEAL__KEYS: key 'a' .*{why}"):
        ring("a", a=in_base64(key))


def test_random_keys_are_none_of_them() -> None:
    dice = Random(1)
    assert {weakness(dice.randbytes(32)) for _ in range(1_000)} == {""}


@pytest.mark.parametrize("key_id", ["m202611", "m202613x", "m202611a1b2c3d4"])
def test_a_key_of_the_settings_has_no_month_for_a_name(key_id: str) -> None:
    with pytest.raises(ValidationError, match="is one of a month's key: call it otherwise"):
        ring(key_id, **{key_id: OLD})
    assert ring("m20261", m20261=OLD).current == "m20261"


def test_what_is_no_base64_is_no_key() -> None:
    with pytest.raises(ValidationError, match="is not base64"):
        ring("a", a="not base64!")


def test_no_key_no_sealing() -> None:
    with pytest.raises(ValueError, match="HCP_SEAL__CURRENT"):
        Sealer(Seal())
    with pytest.raises(ValidationError):
        ring("b", a=OLD)
