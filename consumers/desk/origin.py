"""Whether a form was sent from a page of ours. There are no accounts and no cookies, so this is all that guards it."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request


def must_be_ours(request: Request) -> None:
    """403 for a form of another site, and for one whose sender does not say where it stood.

    Every browser says it (`Origin`); the names by which we are called are ours (`KnownHosts`), so is the port.
    """
    origin = request.headers.get("origin", "")
    if origin != f"{request.url.scheme}://{request.headers.get('host', '')}":
        raise HTTPException(HTTPStatus.FORBIDDEN)
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise HTTPException(HTTPStatus.FORBIDDEN)
