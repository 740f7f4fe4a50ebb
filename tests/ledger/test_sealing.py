"""Sealing: deterministic, bound to what it is about, rotatable; weak keys are refused."""

import base64

import pytest
from pydantic import ValidationError

from pipeline.sealing import CannotOpen, Sealer
from pipeline.settings import Seal

OLD, NEW = (base64.b64encode(bytes(range(start, start + 32))).decode() for start in (0, 100))


def ring(current: str, **keys: str) -> Seal:
    return Seal.model_validate({"current": current, "keys": keys})


def test_a_retry_gives_the_same_bytes_and_only_the_same_event_opens_them() -> None:
    sealer = Sealer(ring("a", a=OLD))
    sealed = sealer.seal_reviewer("e1", "张三", "19900001234", "")
    assert sealed == sealer.seal_reviewer("e1", "张三", "19900001234", "")
    assert sealed != sealer.seal_reviewer("e2", "张三", "19900001234", "")
    assert "19900001234" not in sealed
    assert sealer.open_reviewer("e1", sealed).phone == "19900001234"
    with pytest.raises(CannotOpen):
        sealer.open_reviewer("e2", sealed)


def test_after_a_rotation_the_old_key_still_opens_and_marks_stay_alike() -> None:
    before, after = Sealer(ring("a", a=OLD)), Sealer(ring("b", a=OLD, b=NEW))
    assert after.open_reviewer("e", before.seal_reviewer("e", phone="1")).phone == "1"
    assert before.mark("199 0000 1234") == after.mark("19900001234") != after.mark("19900001235")
    with pytest.raises(CannotOpen):
        before.open_reviewer("e", after.seal_reviewer("e", phone="1"))


@pytest.mark.parametrize("text", ["", "s1.a.AAAA", "s1.zz.AAAA", "13800001111", "s1.a.%%%"])
def test_what_is_not_sealed_by_us_does_not_open(text: str) -> None:
    with pytest.raises(CannotOpen):
        Sealer(ring("a", a=OLD)).open(text)


@pytest.mark.parametrize(
    "key", ["", "short", base64.b64encode(b"0" * 32).decode(), base64.b64encode(b"x" * 16).decode()]
)
def test_weak_keys_are_refused(key: str) -> None:
    with pytest.raises(ValidationError):
        ring("a", a=key)


def test_no_key_no_sealing() -> None:
    with pytest.raises(ValueError, match="HCP_SEAL__CURRENT"):
        Sealer(Seal())
    with pytest.raises(ValidationError):
        ring("b", a=OLD)
