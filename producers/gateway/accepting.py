"""Whether a caller takes what is given here (the header Accept): problem documents go to everybody."""

from producers.gateway.errors import NotSupported

MOST_RANGES = 100
"""Media ranges of a header that are looked at; a browser sends eight."""


def demand(accept: str, media: str) -> None:
    """Raises NotSupported (406) if this header takes nothing of this media type. Empty: it takes everything."""
    if accept and accept != "*/*" and not any(_takes(part, media) for part in _ranges(accept)):
        raise NotSupported(406, "not_acceptable", "Not Acceptable", f"what is given here is {media}")


def _ranges(accept: str) -> list[str]:
    return accept.lower().split(",", MOST_RANGES)[:MOST_RANGES]


def _takes(part: str, media: str) -> bool:
    name, _, parameters = part.partition(";")
    weight = parameters.replace(" ", "").partition("q=")[2].partition(";")[0]
    refused = bool(weight) and not weight.strip("0.")
    return name.strip() in {"*/*", media, media.partition("/")[0] + "/*"} and not refused
