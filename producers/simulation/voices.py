"""What simulated citizens say of a service, by which channel, and what goes wrong with it. No real person said any of it."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from random import Random

from msgspec.structs import replace

from pipeline.rules.policy import COUNTY_ZONE
from producers.simulation.citizens import DEFAULTED, REAL_NAME, REVIEWED, STANDALONE, comment, delay, tags
from producers.simulation.hours import moment
from producers.simulation.ids import new_id
from producers.simulation.miniature import Miniature
from producers.simulation.outages import back_at
from producers.simulation.senders import PAPER, PLATFORM, PORTAL, kiosk, tablet
from producers.simulation.shares import channel
from producers.simulation.step import Step, Trouble, Way
from schemas.codes import BAD_LEVELS, Channel
from schemas.events import CaseEvent, Reviewer, ReviewEvent

WAYS = {
    Channel.TERMINAL: Way.CHAIN,
    Channel.HALL_TABLET: Way.CHAIN,
    Channel.KIOSK: Way.CHAIN,
    Channel.PC: Way.SINGLE,
    Channel.PAPER: Way.BATCH,
    Channel.QR: Way.FORM,
    Channel.APP: Way.TOKEN,
    Channel.MINI_PROGRAM: Way.TOKEN,
    Channel.SMS: Way.TOKEN,
}
BY_CITIZEN = frozenset({Way.TOKEN, Way.FORM})
GOOD_LEVELS = {5: 0.82, 4: 0.14, 3: 0.04}
WORSE = {1: 0.35, 2: 0.65}
SENT_TWICE = 0.015
CONTESTED = 0.005
MISTYPED = 0.05
"""Of the paper forms."""
FOLLOWED_UP = 0.3
"""Of the bad reviews."""
KEYING = time(17, 30)
"""When a day's paper forms are keyed in."""


def voices(county: Miniature, case: CaseEvent, rng: Random) -> Iterator[Step]:
    """The steps that bring what is said of this service, or nobody's five stars, or nothing."""
    if rng.random() >= REVIEWED[case.handling_mode]:
        if rng.random() < DEFAULTED:
            yield _default(case, rng)
        return
    event = _review(county, case, channel(rng, case.handling_mode), rng)
    yield _first(county, event, rng)
    if rng.random() < CONTESTED:
        yield _second(county, case, event, rng)
    if event.satisfaction in BAD_LEVELS and rng.random() < FOLLOWED_UP:
        yield _follow_up(event, rng)
    if case.hall_code and rng.random() < STANDALONE:
        yield _of_the_place(county, case, rng)


def _review(county: Miniature, case: CaseEvent, by: Channel, rng: Random) -> ReviewEvent:
    at = case.served_at + delay(rng, Channel.TERMINAL if by is Channel.PAPER else by)
    level = _level(county, rng)
    named = level in BAD_LEVELS and WAYS[by] in BY_CITIZEN and rng.random() < REAL_NAME
    return ReviewEvent(
        event_id=new_id(rng, at),
        case_no=case.case_no,
        service_no=case.service_no,
        satisfaction=level,
        reason_codes=tags(rng, level),
        comment=comment(rng, level),
        channel=by,
        submitted_at=at,
        hall_code=case.hall_code,
        window_code=case.window_code,
        staff_id=case.staff_id,
        dept_code=case.dept_code,
        item_code=case.item_code,
        real_name=named,
        reviewer=Reviewer("模拟", f"1990000{rng.randint(0, 9999):04d}") if named else None,
    )


def _level(county: Miniature, rng: Random) -> int:
    levels = WORSE if rng.random() < county.bad else GOOD_LEVELS
    return rng.choices(list(levels), list(levels.values()))[0]


def _first(county: Miniature, event: ReviewEvent, rng: Random) -> Step:
    """As it comes, when all is well; and what may be odd about it."""
    step = _sent(county, event, rng)
    if event.channel is Channel.PAPER and rng.random() < MISTYPED:
        return step._replace(event=replace(event, case_no=f"{event.case_no}x"), trouble=Trouble.MISTYPED)
    if step.trouble is Trouble.NONE and rng.random() < SENT_TWICE:
        return step._replace(trouble=Trouble.AGAIN)
    return step


def _sent(county: Miniature, event: ReviewEvent, rng: Random) -> Step:
    """By the way of its channel, seconds after it was given; paper in the evening, an offline terminal's when it is back."""
    way, sender = WAYS[event.channel], _sender(event)
    at = event.submitted_at + timedelta(seconds=rng.uniform(0.2, 5))
    if way is Way.CHAIN and (back := back_at(county, sender, at)):
        return Step(back, way, event, sender, Trouble.OFFLINE)
    return Step(_keyed_at(at) if event.channel is Channel.PAPER else at, way, event, sender)


def _sender(event: ReviewEvent) -> str:
    match event.channel:
        case Channel.TERMINAL:
            return event.window_code
        case Channel.HALL_TABLET:
            return tablet(event.hall_code)
        case Channel.KIOSK:
            return kiosk(event.hall_code)
        case Channel.PC:
            return PORTAL
        case Channel.PAPER:
            return PAPER
        case _:
            return ""


def _keyed_at(at: datetime) -> datetime:
    evening = moment(at.astimezone(COUNTY_ZONE).date(), KEYING)
    return evening if at < evening else evening + timedelta(days=1)


def _second(county: Miniature, case: CaseEvent, first: ReviewEvent, rng: Random) -> Step:
    """Somebody judges the same service otherwise: with the same link once more, or on paper."""
    by = first.channel if WAYS[first.channel] is Way.TOKEN else Channel.PAPER
    other = _review(county, case, by, rng)
    later = replace(other, submitted_at=first.submitted_at + timedelta(minutes=rng.uniform(1, 60)))
    return _sent(county, later, rng)._replace(trouble=Trouble.CONTESTED)


def _follow_up(first: ReviewEvent, rng: Random) -> Step:
    """追评, by a link, after the department has called."""
    at = first.submitted_at + timedelta(hours=rng.uniform(20, 60))
    by = first.channel if WAYS[first.channel] is Way.TOKEN else Channel.SMS
    event = replace(
        first, event_id=new_id(rng, at), review_no=2, channel=by, satisfaction=rng.choice((2, 3, 4, 4, 5)),
        reason_codes=[], comment="", submitted_at=at, reviewer=None, real_name=False,
    )  # fmt: skip
    return Step(at + timedelta(seconds=2), Way.TOKEN, event)


def _of_the_place(county: Miniature, case: CaseEvent, rng: Random) -> Step:
    """A review of a window by the code on its wall, without a case: half by the page, half by an app that reads the code."""
    at = case.served_at + timedelta(minutes=rng.uniform(1, 300))
    event = ReviewEvent(
        _level(county, rng), Channel.QR, at, new_id(rng, at),
        hall_code=case.hall_code, window_code=case.window_code,
    )  # fmt: skip
    return Step(at + timedelta(seconds=1), rng.choice((Way.FORM, Way.TOKEN)), event)


def _default(case: CaseEvent, rng: Random) -> Step:
    """Five stars that nobody gave: shown apart, and no service is reviewed by them."""
    at = case.served_at + timedelta(hours=24, seconds=rng.uniform(1, 60))
    event = ReviewEvent(
        5, Channel.DEFAULT, at, new_id(rng, at), case.case_no, case.service_no, dept_code=case.dept_code
    )
    return Step(at + timedelta(seconds=1), Way.SINGLE, event, PLATFORM)
