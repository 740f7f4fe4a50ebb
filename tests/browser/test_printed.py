"""Codes as they are printed: what a camera sees in the picture, module by module, is the code of the link."""

import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import segno

from producers.qr.codes import link, save
from producers.qr.sheet import Hall, cards, sheet
from tests.producers.qr.test_codes import ZONE
from tests.producers.qr.walls import NOW, TOKENS, WINDOW

pytestmark = pytest.mark.browser
EXPIRES = NOW + timedelta(days=365)
BASE = "https://hcp.example"
LINK = link(BASE, TOKENS.make(WINDOW, EXPIRES))
QUIET = 4
"""Modules of white around a code, by ISO/IEC 18004."""
TYPES = {"svg": "image/svg+xml", "png": "image/png"}
LOOK = """async ([picture, side]) => {
  const image = new Image();
  image.src = picture;
  await image.decode();
  const module = 8, canvas = new OffscreenCanvas(side * module, side * module);
  const paper = canvas.getContext("2d");
  paper.fillStyle = "white";
  paper.fillRect(0, 0, canvas.width, canvas.height);
  paper.drawImage(image, 0, 0, canvas.width, canvas.height);
  const middle = (n) => n * module + module / 2;
  const dark = (x, y) => Number(paper.getImageData(middle(x), middle(y), 1, 1).data[0] < 128);
  return Array.from({ length: side }, (_, y) => Array.from({ length: side }, (_, x) => dark(x, y)));
}"""


def code_of(text: str) -> list[list[int]]:
    """The code of this text with the white around it, row by row: 1 is dark."""
    made = segno.make(text, error="m", micro=False)
    return [[int(dark) for dark in row] for row in made.matrix_iter(border=QUIET)]


def seen(page: Any, picture: bytes, kind: str) -> list[list[int]]:
    """What is dark in the middle of each module, if the picture is as large as a code of the link."""
    url = f"data:{TYPES[kind]};base64,{base64.b64encode(picture).decode()}"
    rows: list[list[int]] = page.evaluate(LOOK, [url, len(code_of(LINK))])
    return rows


@pytest.mark.parametrize("kind", list(TYPES))
def test_the_picture_of_a_code_says_the_link(chromium: Any, tmp_path: Path, kind: str) -> None:
    page, file = chromium.new_page(), tmp_path / f"w03.{kind}"
    save(LINK, file)
    found = seen(page, file.read_bytes(), kind)
    assert found == code_of(LINK)
    save(LINK[:-1] + ("A" if LINK[-1] != "A" else "B"), file)
    assert seen(page, file.read_bytes(), kind) != found, "one character is another picture"
    page.close()


def test_each_card_of_the_sheet_says_its_link(chromium: Any, tmp_path: Path) -> None:
    hall, places = Hall("H1", "眉县政务服务中心"), [WINDOW] * 4
    file = tmp_path / "sheet.html"
    file.write_text(sheet(hall, cards(TOKENS, BASE, hall, places, EXPIRES), EXPIRES, ZONE), encoding="utf-8")
    page = chromium.new_page(viewport={"width": 820, "height": 1160}, device_scale_factor=2)
    page.emulate_media(media="print")
    page.goto(file.as_uri())
    pictures = [page.locator("svg").nth(n).screenshot() for n in range(4)]
    assert all(seen(page, picture, "png") == code_of(LINK) for picture in pictures)
    page.close()
