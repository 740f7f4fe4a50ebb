"""Why a request is refused before its event is looked at. Each says in its own words what the caller can do."""

from collections.abc import Mapping


class Refused(Exception):
    """A request that is answered with a problem document; its message is the document's detail."""


class Unauthorized(Refused):
    """Nobody whom we know says this. `scheme`: what the answer's WWW-Authenticate names."""

    def __init__(self, kind: str, title: str, detail: str = "", scheme: str = "HCP-Signature") -> None:
        super().__init__(detail)
        self.kind, self.title, self.scheme = kind, title, scheme


class Forbidden(Refused):
    """A known sender speaks for what is not its own. `field`: of the event."""

    def __init__(self, kind: str, field: str, detail: str) -> None:
        super().__init__(detail)
        self.kind, self.field = kind, field


class NotSupported(Refused):
    """A request of a form that we do not read."""

    def __init__(
        self, status: int, kind: str, title: str, detail: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.title, self.headers = status, kind, title, headers or {}


class RateLimited(Refused):
    """Too many of one caller. `headers`: RateLimit, RateLimit-Policy and Retry-After."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__("")
        self.headers = headers
