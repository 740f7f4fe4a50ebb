"""No record is in the way: each odd one has a fate, and ordinary pairs on every partition are tickets meanwhile."""

from itertools import count

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from pipeline import log
from schemas.topics import Stream
from tests.harness import HALVES, now
from tests.liveness.ground import MEMORY, REASONS, Ground, Place, ordinary, spread
from tests.liveness.odd import FIELD, ODD, TIMES, plain
from tests.liveness.wire import Raw, batch

pytestmark = pytest.mark.system
_turn = count()


@pytest.mark.parametrize("name", ODD)
def test_an_odd_record_has_a_fate_and_is_not_in_the_way(name: str, ground: Ground) -> None:
    odd = ODD[name]
    before = ground.folded()
    ground.scales.reset()
    where = spread(next(_turn), ground.promise.partitions())
    sent = [place for stream, partition in where for place in ground.send(stream, partition, odd)]
    kept(ground, sent, before, odd.dead)


@pytest.mark.parametrize("name", FIELD)
def test_what_real_senders_do_has_a_fate_and_is_not_in_the_way(name: str, ground: Ground) -> None:
    text, dead = FIELD[name]
    before = ground.folded()
    value = (text % now(minutes=1)).encode()
    made, turn = batch([Raw(b"FIELD-1", value)]), next(_turn) % 6
    sent = ground.send_records(Stream.REVIEW, turn, made, 1)
    also = ground.send_records(Stream.CASE, turn, made, 1)
    kept(ground, [*sent, *also], before, None)
    letters = ground.letters()
    assert (sent[0] in letters, also[0] in letters) == (dead, True)
    assert not ground.system.one("select count(*) from review where reviewer like '%1380013%'")


@pytest.mark.parametrize("name", TIMES)
def test_any_timestamp_on_a_topic_that_keeps_them(name: str, ground: Ground) -> None:
    kept_times(ground, "CreateTime")
    try:
        before = ground.folded()
        sent: list[Place] = []
        for stream, partition in spread(next(_turn), ground.promise.partitions()):
            made = batch([plain(ordinary(stream), timestamp=TIMES[name])])
            sent += ground.send_records(stream, partition, made, 1)
        kept(ground, sent, before, None)
    finally:
        kept_times(ground, "LogAppendTime")


def test_ordinary_records_right_before_and_behind_a_bomb_are_stored(ground: Ground) -> None:
    before, letters = ground.folded(), set(ground.letters())
    ground.scales.reset()
    bombs = []
    for stream, partition in spread(next(_turn), ground.promise.partitions()):
        ground.promise.hand_over(stream, partition, [ordinary(stream) for _ in range(50)])
        bombs += ground.send(stream, partition, ODD["gzip-200m"])
        ground.promise.hand_over(stream, partition, [ordinary(stream) for _ in range(50)])
    kept(ground, bombs, before + 200, True)
    assert set(ground.letters()) - letters == set(bombs)


def kept(ground: Ground, sent: list[Place], before: int, dead: bool | None) -> None:
    """The promise holds on all partitions, the odd record's too; it has one fate, and no worker grew."""
    ground.keep()
    pairs = ground.promise.partitions() * 2
    ground.wait(lambda: ground.folded() == before + len(sent) + pairs, "exactly one fate for each record")
    letters = ground.letters()
    here = {place: letters[place] for place in sent if place in letters}
    if dead is not None:
        assert len(here) == (len(sent) if dead else 0)
    assert set(here.values()) <= REASONS
    assert_a_person_finds(ground, list(here))
    assert ground.scales.peak <= MEMORY, f"the worker held {ground.scales.peak / 1e6:.0f} MB"
    assert not ground.crew.ends, f"the worker ended by itself: {ground.crew.ends}"


def assert_a_person_finds(ground: Ground, letters: list[Place]) -> None:
    """`hcp dlq list` has each of them, and `hcp dlq show` works on it, its body too."""
    listed = ground.hcp("dlq", "list").stdout
    for topic, partition, offset in letters:
        name = f"{topic}/{partition}/{offset}"
        assert name in listed
        for more in ([], ["--body"]):
            shown = ground.hcp("dlq", "show", name, *more)
            assert shown.exit_code == 0, shown.output
            assert name in shown.stdout


def kept_times(ground: Ground, whose: str) -> None:
    """Set on both input topics whose times they keep, however far they are off."""
    off = str((1 << 63) - 1)
    settings = {
        "message.timestamp.type": whose,
        "message.timestamp.before.max.ms": off,
        "message.timestamp.after.max.ms": off,
    }
    topics = [ground.system.settings.kafka.topic(stream) for stream in HALVES]
    with log.admin(ground.system.settings.kafka) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings) for topic in topics])
