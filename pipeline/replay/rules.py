"""Other rules for a replay: `window_hours=48,collection_hours=24`, by the names of `settings.Rules`."""

from pydantic import ValidationError

from pipeline.ledger.failures import Stop
from pipeline.settings import Rules, Settings


def changed(settings: Settings, words: str) -> Settings:
    """The settings with these rules changed. Raises Stop naming the word that is wrong."""
    given = dict(_pair(word) for word in words.split(",") if word)
    try:
        rules = Rules.model_validate(settings.rules.model_dump() | given)
    except ValidationError as error:
        wrong = "; ".join(f"{one['loc'][0]}: {one['msg']}" for one in error.errors())
        raise Stop(f"--rules: {wrong}") from None
    return settings.model_copy(update={"rules": rules})


def _pair(word: str) -> tuple[str, str]:
    name, _, value = (part.strip() for part in word.partition("="))
    if name not in Rules.model_fields or not value:
        raise Stop(f"--rules: {word!r} is not name=value with one of {', '.join(Rules.model_fields)}")
    return name, value
