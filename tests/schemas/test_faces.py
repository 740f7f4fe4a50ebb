"""The five faces: one for each level, told apart without their colour."""

from schemas.codes import SATISFACTION
from schemas.faces import EYES_AND_MOUTH


def test_every_level_has_a_mouth_of_its_own() -> None:
    assert EYES_AND_MOUTH.keys() == SATISFACTION.keys()
    mouths = {drawing.rpartition("M")[2] for drawing in EYES_AND_MOUTH.values()}
    assert len(mouths) == len(SATISFACTION)
