"""Simulated citizens: who reviews a service, when, how, and what goes wrong on the way. No real person said any of it."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random

from msgspec.structs import replace

from producers.simulation.arrival import Arrival
from producers.simulation.ids import new_id
from schemas.codes import BAD_LEVELS, Channel, HandlingMode, reason_codes
from schemas.events import CaseEvent, ReviewEvent

Seal = Callable[[str, str, str, datetime], str]
"""(event id, name, phone, when) → the sealed identity, as `pipeline.sealing.Sealer.seal_reviewer` makes it."""

REVIEWED = {HandlingMode.OFFLINE: 0.97, HandlingMode.ONLINE: 0.955}
DEFAULTED = 0.5
"""Of those that nobody reviewed: how many get a review by system default a day later."""
LEVELS = {5: 0.80, 4: 0.14, 3: 0.04, 2: 0.013, 1: 0.007}
"""Two percent are bad."""
SENT_TWICE = 0.015
CONTESTED = 0.003
MISTYPED = 0.003
FOLLOWED_UP = 0.1
REAL_NAME = 0.3
"""Of the bad reviews by app."""
STANDALONE = 0.01
CHANNELS = {
    HandlingMode.OFFLINE: (
        (Channel.TERMINAL, 0.70),
        (Channel.QR, 0.18),
        (Channel.HALL_TABLET, 0.07),
        (Channel.KIOSK, 0.05),
    ),
    HandlingMode.ONLINE: ((Channel.APP, 0.55), (Channel.MINI_PROGRAM, 0.30), (Channel.PC, 0.15)),
}
AT_THE_COUNTER = frozenset({Channel.TERMINAL, Channel.HALL_TABLET, Channel.KIOSK})
COMPLAINTS = (
    "排队等了一个多小时，窗口只开了一个。",
    "同样的材料让我跑了三趟，每次说的都不一样。",
    "工作人员一直在看手机，问什么都不耐烦。",
    "网上说可以全程网办，到了还是要交纸质复印件。",
    "承诺五个工作日办结，已经半个月了还没有消息。",
    "电话一直没人接，请回电 19900001234。",
    "系统提交了四次都报错，没有人告诉我怎么办。",
    "指南上写的材料和窗口要的不一样。",
)
PRAISE = ("办得很快，谢谢。", "态度很好，讲得清楚。", "一次就办成了。")


def reviews(case: CaseEvent, rng: Random, seal: Seal) -> Iterator[Arrival]:
    """What citizens say of this service, as it reaches us. Times follow from `served_at`."""
    if rng.random() >= REVIEWED[case.handling_mode]:
        if rng.random() < DEFAULTED:
            yield _default(case, rng)
        return
    first = _review(case, rng, seal)
    at = first.submitted_at + timedelta(seconds=rng.uniform(0.2, 5))
    source = f"/{first.channel.value.replace('_', '-')}"
    yield Arrival(at, first, source)
    if rng.random() < SENT_TWICE:
        yield Arrival(at + timedelta(seconds=rng.uniform(2, 600)), first, source)
    if rng.random() < CONTESTED:
        other = replace(
            _review(case, rng, seal), submitted_at=first.submitted_at + timedelta(minutes=rng.uniform(1, 60))
        )
        yield Arrival(other.submitted_at + timedelta(seconds=1), other, source)
    if first.satisfaction in BAD_LEVELS and rng.random() < FOLLOWED_UP:
        yield _follow_up(first, rng)
    if rng.random() < STANDALONE:
        yield _of_the_place(case, rng)


def _review(case: CaseEvent, rng: Random, seal: Seal) -> ReviewEvent:
    channels, weights = zip(*CHANNELS[case.handling_mode], strict=True)
    channel: Channel = rng.choices(channels, weights)[0]
    submitted_at = case.served_at + delay(rng, channel)
    level = rng.choices(list(LEVELS), list(LEVELS.values()))[0]
    event_id = new_id(rng, submitted_at)
    real_name = level in BAD_LEVELS and channel is Channel.APP and rng.random() < REAL_NAME
    return ReviewEvent(
        event_id=event_id,
        case_no=case.case_no + "x" if rng.random() < MISTYPED else case.case_no,
        service_no=case.service_no,
        satisfaction=level,
        reason_codes=tags(rng, level),
        comment=comment(rng, level),
        channel=channel,
        submitted_at=submitted_at,
        hall_code=case.hall_code,
        window_code=case.window_code,
        staff_id=case.staff_id if case.window_code else "",
        dept_code=case.dept_code,
        device_id=f"{case.window_code}-E1" if channel is Channel.TERMINAL and case.window_code else "",
        real_name=real_name,
        reviewer=seal(event_id, "模拟", f"1990000{rng.randint(0, 9999):04d}", submitted_at)
        if real_name
        else None,
    )


def delay(rng: Random, channel: Channel) -> timedelta:
    """How long after the service: seconds at the counter; else mostly within the hour, seldom after more than a day."""
    if channel in AT_THE_COUNTER:
        return timedelta(seconds=rng.uniform(8, 120))
    return timedelta(minutes=min(1 + rng.expovariate(1 / 70), 3 * 24 * 60))


def tags(rng: Random, level: int) -> list[str]:
    """The reasons of this level that a citizen names; more often than not none, unless it is the worst."""
    if level > min(BAD_LEVELS) + 1 and rng.random() < 0.6:
        return []
    known = [tag.code for tag in reason_codes().values() if tag.satisfaction == level and not tag.retired]
    return sorted(rng.sample(known, rng.randint(1, 2)))


def comment(rng: Random, level: int) -> str:
    """What a citizen writes, if anything."""
    if level in BAD_LEVELS:
        return rng.choice(COMPLAINTS) if rng.random() < 0.7 else ""
    return rng.choice(PRAISE) if rng.random() < 0.05 else ""


def _default(case: CaseEvent, rng: Random) -> Arrival:
    """Five stars that nobody gave: they are shown apart and make no service reviewed."""
    at = case.served_at + timedelta(hours=24, seconds=rng.uniform(1, 60))
    event = ReviewEvent(
        5, Channel.DEFAULT, at, new_id(rng, at), case.case_no, case.service_no, dept_code=case.dept_code
    )
    return Arrival(at + timedelta(seconds=1), event, "/default")


def _follow_up(first: ReviewEvent, rng: Random) -> Arrival:
    """追评: after the department has called."""
    at = first.submitted_at + timedelta(hours=rng.uniform(20, 60))
    level = rng.choice((2, 3, 4, 4, 5))
    event = replace(
        first, event_id=new_id(rng, at), review_no=2, satisfaction=level, reason_codes=[], comment="",
        submitted_at=at, reviewer=None, real_name=False,
    )  # fmt: skip
    return Arrival(at + timedelta(seconds=2), event, "/app")


def _of_the_place(case: CaseEvent, rng: Random) -> Arrival:
    """A review of a hall or a department, without a case."""
    at = case.served_at + timedelta(minutes=rng.uniform(1, 300))
    event = ReviewEvent(
        rng.choices((5, 4, 3, 2), (70, 20, 8, 2))[0], Channel.QR, at, new_id(rng, at),
        hall_code=case.hall_code, dept_code=case.dept_code,
    )  # fmt: skip
    return Arrival(at + timedelta(seconds=1), event, "/qr")
