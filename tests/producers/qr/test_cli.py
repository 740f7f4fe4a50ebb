"""`hcp token` as it is typed."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.seal_keys import Seal
from producers.errors import InputError
from producers.qr.cli import app
from producers.qr.making import CASE, WHAT
from producers.tokens import CaseToken, Place, Tokens
from tests.producers.qr.walls import KEY

RUNNER = CliRunner()
READER = Tokens(Seal.model_validate({"current": "test", "keys": {"test": KEY}}))
BASE = "https://hcp.example"
PAGE = (Path(__file__).parents[3] / "docs" / "citizen.md").read_text(encoding="utf-8")
SHOWN = re.findall("^hcp token (qr .+?)(?: {3}.*)?$", PAGE, re.MULTILINE)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HCP_SEAL__CURRENT", "test")
    monkeypatch.setenv("HCP_SEAL__KEYS", f'{{"test": "{KEY}"}}')
    monkeypatch.setenv("HCP_GATEWAY__PUBLIC_URL", f"{BASE}/")


def claims(output: str) -> Place | CaseToken:
    url, _, token = output.strip().rpartition("/")
    assert url == f"{BASE}/r"
    return READER.read(token)


def run(*words: str, typed: str = "") -> str:
    result = RUNNER.invoke(app, list(words), input=typed, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.usefixtures("key")
def test_a_window(tmp_path: Path) -> None:
    out = run("qr", "window", "W03", "--name", "3号窗口", "--hall", "H1", "--dept", "D1", "--out", "w.svg")
    made = claims(out)
    assert isinstance(made, Place)
    assert (made.name, made.fields()) == (
        "3号窗口",
        {"dept_code": "D1", "hall_code": "H1", "window_code": "W03"},
    )
    assert (tmp_path / "w.svg").stat().st_size > 1_000


@pytest.mark.usefixtures("key")
def test_a_case_s_number_is_not_typed_where_others_see_it() -> None:
    out = run("qr", "case", "-", "--name", "设立登记", "--service-no", "2", typed="MX1\n")
    made = claims(out)
    assert isinstance(made, CaseToken)
    assert (made.case_no, made.service_no, "MX1" in out) == ("MX1", 2, False)


@pytest.mark.usefixtures("key")
def test_every_kind_of_code_is_shown_in_the_documentation_and_made_as_it_stands_there() -> None:
    made = [claims(run(*shlex.split(words), typed="MX1\n")) for words in SHOWN]
    kinds = [one.kind if isinstance(one, Place) else CASE for one in made]
    assert sorted(kinds) == sorted(WHAT)
    for words, one, kind in zip(SHOWN, made, kinds, strict=True):
        assert kind == CASE or shlex.split(words)[2] in one.fields().values()


@pytest.mark.usefixtures("key")
def test_a_sheet(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("window_code,name\nW1,1号窗口\nW2,2号窗口\n", encoding="utf-8")
    said = run("sheet", "w.csv", "--hall", "H1", "--name", "眉县政务大厅", "--out", "w.html")
    assert said.startswith("2 windows: open w.html")
    assert (tmp_path / "w.html").read_text(encoding="utf-8").count("扫码评价") == 2


@pytest.mark.usefixtures("key")
def test_what_is_wrong_is_said() -> None:
    assert "none of window, hall" in RUNNER.invoke(app, ["qr", "door", "1"]).output
    with pytest.raises(InputError, match="--name"):
        RUNNER.invoke(app, ["qr", "window", "W1"], catch_exceptions=False)


def test_without_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="HCP_SEAL__KEYS"):
        RUNNER.invoke(app, ["qr", "window", "W1", "--name", "x"], catch_exceptions=False)
