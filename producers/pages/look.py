"""One way in's pages: its templates over the shared ones, style and script inside the page, the headers of every answer.

A page is one response: nothing else has to come over a bad line before it can be read. The Content-Security-Policy
allows style and script by their hashes, and files of our own.
"""

import base64
import gzip
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from schemas.codes import SATISFACTION
from schemas.faces import EYES_AND_MOUTH

HERE = Path(__file__).parent
STATIC = HERE / "static"
PAGE_CSS = STATIC / "page.css"
GZIP_LEVEL = 6


class Look:
    """The pages of one package: `folder` has its `templates`. Reads the files once; afterwards it is pure.

    Templates get `look` (style, script, icon), `levels` (level → words, the best first) and `faces` (level → its drawing);
    an unknown name is an error.
    """

    def __init__(self, folder: Path, styles: Sequence[Path] = (), scripts: Sequence[Path] = ()) -> None:
        self.style = _inside((PAGE_CSS, *styles))
        self.script = _inside(scripts)
        icon = base64.b64encode((STATIC / "icon.svg").read_bytes()).decode()
        self.icon = f"data:image/svg+xml;base64,{icon}"
        self.headers = _headers(_source(self.style), _source(self.script))
        self._templates = Environment(
            loader=ChoiceLoader(
                [FileSystemLoader(folder / "templates"), FileSystemLoader(HERE / "templates")]
            ),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        levels = dict(sorted(SATISFACTION.items(), reverse=True))
        self._templates.globals |= {"look": self, "levels": levels, "faces": EYES_AND_MOUTH}

    def page(
        self,
        request: Request,
        name: str,
        context: Mapping[str, Any],
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """The page of this template, compressed if the browser reads that: then it fits into what a server sends unasked (14 kB)."""
        said = self.headers | {"Vary": "Accept-Encoding"} | dict(headers or {})
        page = self.text(name, context).encode()
        if "gzip" in request.headers.get("accept-encoding", ""):
            page, said["Content-Encoding"] = gzip.compress(page, GZIP_LEVEL), "gzip"
        return HTMLResponse(page, status, said)

    def text(self, name: str, context: Mapping[str, Any]) -> str:
        """The template with everything filled in."""
        return self._templates.get_template(name).render(**context)


def _inside(files: Sequence[Path]) -> Markup:
    """Files of ours, as they stand in a page."""
    return Markup("\n").join(Markup(file.read_text(encoding="utf-8")) for file in files)  # noqa: S704  our own files


def _source(text: str) -> str:
    """How a policy names this very text."""
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


def _headers(style: str, script: str) -> dict[str, str]:
    """Keep nothing, tell nobody, show it in no frame, load nothing from elsewhere."""
    policy = (
        "default-src 'none'",
        f"style-src 'self' {style}",
        f"script-src 'self' {script}",
        *(f"{kind}-src 'self'" for kind in ("connect", "manifest", "media", "worker")),
        "img-src 'self' data:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
