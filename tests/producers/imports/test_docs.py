"""docs/imports.md says what is there: the sources, the rules, a mapping that works."""

import re
from pathlib import Path

import pytest

from pipeline.rules.inspection import rules
from producers.imports.known import known, load

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
