"""Whoever sends records may invent departments, devices and numbers: no page and no scrape grows with them."""

import pytest

from consumers.desk.app import create as desk_of
from consumers.desk.paging import MOST_DEPARTMENTS
from consumers.exporter import create as exporter_of
from pipeline.ledger.ticket_list import OTHERS
from pipeline.settings import Settings
from tests.consumers.client import Client
from tests.consumers.filling import POLICE, bad_review, clock, fill, police_case
from tests.consumers.test_desk import links

pytestmark = pytest.mark.system

INVENTED = 5_000
"""Four times as many were tried: they show nothing more, and take half a minute."""
PAGE_BYTES = 200_000
CUT = f"共有 {INVENTED + 1} 个部门代码"


@pytest.fixture
def crowded(stack: Settings) -> Settings:
    """Each review of an invented department, from an invented device; each case of one, and none passes."""
    invented = [f"X{number:05d}" for number in range(INVENTED)]
    fill(
        stack,
        police_case("C-1", item_name=""),
        bad_review("C-1"),
        *(police_case(f"C-{code}", dept_code=code, item_name="") for code in invented),
        *(
            bad_review(
                None,
                dept_code=code,
                device_id=f"device-{code}",
                device_seq=1,
                item_code=f"item-{code}",
                window_code=code,
            )
            for code in invented
        ),
    )
    return stack


def test_thousands_of_invented_departments_make_no_large_page(crowded: Settings) -> None:
    desk = Client(desk_of(crowded, clock))
    for path in ("/", "/inspection", "/inspection/cases", "/devices"):
        page = desk.get(path)
        assert page.status_code == 200, path
        assert len(page.content) < PAGE_BYTES, path
        assert path == "/devices" or CUT in page.text
        assert path == "/devices" or f"这里只列出 {MOST_DEPARTMENTS} 个" in page.text
        assert path == "/devices" or POLICE.name in page.text, "a real department is not pushed out"
    chosen = desk.get("/?department=X04999")
    assert chosen.text.count('<option value="X04999" selected>') == 1
    scrape = Client(exporter_of(crowded)).get("/metrics")
    assert (scrape.status_code, len(scrape.content) < PAGE_BYTES) == (200, True)
    assert "X04999" not in scrape.text
    assert 'hcp_devices{need="unregistered"} 5000.0' in scrape.text


def test_a_ticket_of_a_number_that_everybody_has_shows_the_first_of_the_others(ledger: Settings) -> None:
    fill(ledger, police_case("000"), *(bad_review("000", comment="很长" * 900) for _ in range(2 * OTHERS)))
    desk = Client(desk_of(ledger, clock))
    page = desk.get(links(desk.get("/").text)[0])
    assert (page.status_code, len(page.content) < 400_000) == (200, True)
    assert f"共 {2 * OTHERS - 1} 条，这里只列出最早的 {OTHERS} 条" in page.text
