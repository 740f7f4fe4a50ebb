"""The desk's templates: everything is escaped, and an unknown name is an error."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.templating import Jinja2Templates

from consumers.desk import words
from consumers.desk.rows import each
from pipeline.privacy import mask, scrub
from pipeline.rules.policy import Policy
from pipeline.rules.ranking import is_anothers
from schemas.faces import EYES_AND_MOUTH

HERE = Path(__file__).parent


def templates(policy: Policy) -> Jinja2Templates:
    """The templates, with the desk's words as filters; times are shown in the county's zone."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    named = (words.department, words.level, words.tags, words.excerpt, words.state, words.channel)
    more = (
        words.handling,
        words.status,
        words.route,
        words.flags,
        words.sender,
        words.percent,
        words.severity,
        is_anothers,
        mask,
        scrub,
    )
    env.filters |= {word.__name__: word for word in (*named, *more)}
    env.filters |= _timed(policy, policy.zone)
    env.globals |= {"faces": EYES_AND_MOUTH, "each": each}
    return Jinja2Templates(env=env)


def _timed(policy: Policy, zone: ZoneInfo) -> dict[str, object]:
    def moment(at: datetime | None) -> str:
        return words.moment(at, zone)

    def day(at: datetime) -> str:
        return words.day(at, zone)

    def limit(due: datetime, now: datetime) -> words.Limit:
        return words.limit(due, now, zone, policy.calendar)

    return {"moment": moment, "day": day, "limit": limit}
