"""What the tablet keeps to work without the net: the page, its scripts, and a service worker that knows their version."""

import json
from hashlib import sha256
from pathlib import Path

from schemas.codes import SATISFACTION, reason_codes

HERE = Path(__file__).parent
STATIC_PATH = "/terminal/static/"
PAGE_PATH = "/terminal/shell"
"""The page is the same for every window: the worker keeps it once, under this address."""
WORKER = "worker.js"
"""Not among the files that are kept: a browser looks after its service worker itself."""
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}


class Shell:
    """The files beside the page. Reads them once; afterwards it is pure."""

    def __init__(self) -> None:
        folder = HERE / "static"
        self._worker = (folder / WORKER).read_bytes()
        self.files = {
            file.name: file.read_bytes()
            for file in sorted(folder.iterdir())
            if file.suffix in TYPES and file.name != WORKER
        }

    def worker(self, page: bytes) -> bytes:
        """The service worker for this page: another byte of page, scripts or itself, and it is another worker."""
        paths = [PAGE_PATH, *(STATIC_PATH + name for name in self.files)]
        known = f"const VERSION = {json.dumps(self._version(page))};\nconst SHELL = {json.dumps(paths)};\n"
        return known.encode() + self._worker

    def _version(self, page: bytes) -> str:
        digest = sha256(page)
        for name, content in self.files.items():
            digest.update(name.encode() + sha256(content).digest())
        return digest.hexdigest()[:16]


def reasons() -> dict[int, list[tuple[str, str]]]:
    """Level → the tags that a citizen may choose, as (code, text)."""
    tags = [tag for tag in reason_codes().values() if not tag.retired]
    return {
        level: [(tag.code, tag.text) for tag in tags if tag.satisfaction == level] for level in SATISFACTION
    }
