"""The known mappings, and those in files of one's own: from YAML to a Mapping, or a sentence about what is wrong."""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from producers.errors import CannotImportError
from producers.imports.mapping import Mapping

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def known() -> dict[str, Mapping]:
    """The mappings that come with the package, by name."""
    return {name: _parse(name, file) for name, file in sorted(_packaged().items())}


def load(name: str) -> Mapping:
    """The mapping of this name, or the one in a YAML file of one's own. Raises CannotImportError. Reads one file."""
    file = Path(name)
    if file.suffix in {".yaml", ".yml"}:
        return _parse(file.stem, file)
    packaged = _packaged()
    if name not in packaged:
        raise CannotImportError(
            f"no source {name!r}: known are {', '.join(sorted(packaged))}; or name a YAML file of your own"
        )
    return _parse(name, packaged[name])


def _packaged() -> dict[str, Traversable]:
    folder = files("producers.imports") / "sources"
    return {file.name.removesuffix(".yaml"): file for file in folder.iterdir() if file.name.endswith(".yaml")}


def _parse(name: str, file: Traversable) -> Mapping:
    if not _NAME.fullmatch(name):
        raise CannotImportError(
            f"the mapping {name!r} names the source of its events: rename it to letters, digits, - and _"
        )
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CannotImportError(f"the mapping {file} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CannotImportError(
            f"the mapping {name} is no YAML in UTF-8: {' '.join(str(error).split())}"
        ) from None
    if not isinstance(data, dict) or "name" in data:
        raise CannotImportError(
            f"the mapping {name} must say about, origin and fields; its name is the file's"
        )
    try:
        return Mapping.model_validate({"name": name, **data})
    except ValidationError as error:
        raise CannotImportError(
            f"the mapping {name} is wrong: {'; '.join(map(_sentence, error.errors()))}"
        ) from None


def _sentence(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "this key is unknown"
    return f"{place}: {message}" if place else message
