"""docs/imports.md says what is there: the sources, the rules, a mapping that works."""

import re
from pathlib import Path

import pytest

from pipeline.rules.inspection import rules
from producers.imports.known import known, load
from producers.sheets.archive import MAX_STRINGS, MAX_UNPACKED
from producers.sheets.bounds import MAX_BYTES, MAX_CELL, MAX_COLUMNS, MAX_RECORD, MAX_ROWS, MAX_SECONDS

DOCS = (Path(__file__).parents[3] / "docs" / "imports.md").read_text(encoding="utf-8")


def test_every_source_and_every_rule_is_explained() -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \| (?:cases|reviews) \|", DOCS, re.MULTILINE)) == known().keys()
    told = re.findall(r"^\| `(\w+)` \| (.+) \| (\w+) \| (\w+) \|$", DOCS, re.MULTILINE)
    assert told == [(rule.id, rule.name, rule.severity, rule.scope) for rule in rules().values()]


def test_the_mapping_in_it_is_one(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    file = tmp_path / "ours.yaml"
    file.write_text(example, encoding="utf-8")
    mapping = load(str(file))
    assert mapping.promise
    assert mapping.placeholders == {"0", "无"}


@pytest.mark.parametrize("name", [mapping.name for mapping in known().values()])
def test_it_says_of_each_source_what_its_rows_are(name: str) -> None:
    assert f"| `{name}` | {known()[name].rows}s |" in DOCS


def test_the_bounds_in_it_are_those_that_hold() -> None:
    table = dict(re.findall(r"^  \| ([a-zA-Z][^|]*) \| (.+) \|$", DOCS, re.MULTILINE))
    mib = {kind: most >> 20 for kind, most in MAX_BYTES.items()}
    texts = f"{MAX_UNPACKED >> 20} MB unpacked, {MAX_STRINGS >> 20} MB of them texts"
    assert table == {
        "bytes of the file": f"{mib['.csv']} MB | {mib['.xlsx']} MB packed; {texts}",
        "rows that are not blank": f"{MAX_ROWS['.csv']:,} | {MAX_ROWS['.xlsx']:,}",
        "columns": f"{MAX_COLUMNS} | {MAX_COLUMNS}",
        "characters of a cell; of a row": f"{MAX_CELL:,}; {MAX_RECORD >> 20} million | {MAX_CELL:,}",
        "CPU seconds until it is unpacked": f"{MAX_SECONDS:g} | {MAX_SECONDS:g}",
    }
