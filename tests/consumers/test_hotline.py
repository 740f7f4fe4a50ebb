"""A call to 12345, keyed in: what reaches the gateway, what comes back beside a field, who may send the form."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from consumers.desk.app import create
from consumers.desk.hotline import MAX_BODY, MAX_FIELDS
from consumers.desk.hotline_form import Typed, mistakes, review
from deploy.embedded.ports import claim
from pipeline.settings import Settings, Web
from schemas.events import Reviewer
from schemas.receipt import number_of
from tests.consumers.client import Client
from tests.consumers.county_gateway import HOTLINE, SECRET, CountyGateway
from tests.consumers.filling import NAME, NOW, PHONE, POLICE, TAX, clock
from tests.held import MOST_SECONDS, TRIES, watched

ZONE = ZoneInfo("Asia/Shanghai")
ORIGIN = {"origin": "http://127.0.0.1"}
BLANK = Typed.new(NOW, ZONE)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[CountyGateway]:
    made = CountyGateway(tmp_path)
    yield made
    made.close()


def desk_of(gateway: CountyGateway | None = None) -> Client:
    """A desk whose database is nowhere: a call can be keyed in all the same."""
    settings = Settings.model_validate({"database": {"url": "postgresql://u:p@127.0.0.1:9/x"}})
    if gateway:
        gateway.known_to(settings)
    return Client(create(settings, clock))


def hidden(page: str) -> str:
    (event_id,) = re.findall(r'name="event_id" value="([^"]+)"', page)
    return str(event_id)


def call(desk: Client, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    """A form as a browser sends it; the fields that are not named are as they were rendered."""
    said = {"event_id": hidden(desk.get("/hotline").text), "at": "2026-06-10T14:05", "service_no": "1"}
    return desk.post("/hotline", data=said | fields, headers=ORIGIN if headers is None else headers)


def test_a_call_about_a_case(gateway: CountyGateway) -> None:
    desk = desk_of(gateway)
    who: dict[str, Any] = {"name": NAME, "phone": "138-0013 5678"}
    answer = call(
        desk, case_no=" C-1 ", service_no="2", level="2", reasons=["214", "511"], comment="太慢\r\n了", **who
    )
    assert answer.status_code == 200
    assert "评价已收到" in answer.text
    assert "差评会自动开立工单" in answer.text
    (event,) = gateway.taken()
    assert number_of(event["event_id"]) in answer.text
    sealed = {"event_id", "received_at", "reviewer", "reviewer_mark"}
    assert {name: value for name, value in event.items() if name not in sealed} == {
        "satisfaction": 2, "channel": "hotline", "submitted_at": "2026-06-10T14:05:00+08:00",
        "case_no": "C-1", "service_no": 2, "reason_codes": ["214"], "comment": "太慢\n了",
        "device_id": HOTLINE, "real_name": True,
    }  # fmt: skip
    (row,) = gateway.house.rows()
    opened = gateway.house.way_in.sealer.open_reviewer(event["event_id"], event["reviewer"])
    assert (opened.name, opened.phone) == (NAME, PHONE)
    for text in (str(event), str(row.record.headers), answer.text):
        assert PHONE not in text
        assert NAME not in text


def test_a_call_about_a_window(gateway: CountyGateway) -> None:
    answer = call(desk_of(gateway), department=POLICE.code, hall="大厅", window="A07", level="5")
    assert "工单" not in answer.text.split("<main>")[1].split("一般几秒后")[0]
    (event,) = gateway.taken()
    assert (event["dept_code"], event["hall_code"], event["window_code"]) == (POLICE.code, "大厅", "A07")
    assert "case_no" not in event
    assert "reviewer" not in event


def test_the_same_form_twice_is_one_review(gateway: CountyGateway) -> None:
    desk = desk_of(gateway)
    form: dict[str, Any] = {"event_id": hidden(desk.get("/hotline").text), "case_no": "C-1", "level": "1"}
    first, second = call(desk, **form), call(desk, **form)
    assert "评价已收到" in first.text
    assert "这条评价已经收到过" in second.text
    assert len(gateway.taken()) == 1
    assert hidden(desk.get("/hotline").text) != form["event_id"]


def test_its_receipt_is_found_where_citizens_ask(gateway: CountyGateway) -> None:
    answer = call(desk_of(gateway), case_no="C-1", level="1")
    (number,) = re.findall(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b", answer.text)
    asked = gateway.house.client.get(f"/r/receipt?number={number.lower()}")
    assert "您的评价已收到" in asked.text
    other = "Z" if number[-1] != "Z" else "Y"
    assert "您的评价已收到" not in gateway.house.client.get(f"/r/receipt?number={number[:-1]}{other}").text


@pytest.mark.parametrize("event_id", ["", "1", "019a0000-0000-7000-8000-000000000001"])
def test_an_id_that_has_no_receipt_is_not_taken(gateway: CountyGateway, event_id: str) -> None:
    call(desk_of(gateway), event_id=event_id, case_no="C-1", level="5")
    (event,) = gateway.taken()
    assert event["event_id"] != event_id
    assert number_of(event["event_id"])


# what is wrong is said beside its field, and what was typed stays


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"case_no": ""}, "case_no"),
        ({"case_no": "9" * 65}, "case_no"),
        ({"service_no": "100"}, "service_no"),
        ({"service_no": "一"}, "service_no"),
        ({"department": "999"}, "department"),
        ({"window": "W" * 65}, "window"),
        ({"hall": "H" * 65}, "hall"),
        ({"level": ""}, "level"),
        ({"level": "6"}, "level"),
        ({"comment": "等" * 2001}, "comment"),
        ({"at": ""}, "at"),
        ({"at": "2026-06-10T15:26"}, "at"),
        ({"at": "1999-12-31T23:59"}, "at"),
        ({"name": "N" * 65}, "name"),
        ({"phone": "12345"}, "phone"),
    ],
)
def test_a_mistake_stands_beside_its_field(
    gateway: CountyGateway, fields: dict[str, str], field: str
) -> None:
    said: dict[str, Any] = {"case_no": "C-1", "level": "4", "comment": "说得对", "phone": PHONE} | fields
    answer = call(desk_of(gateway), **said)
    assert answer.status_code == 422
    assert f'id="{field}-mistake"' in answer.text
    assert answer.text.count("-mistake") == 2, "once beside the field, once in its description"
    shown = unescape(answer.text)
    assert all(value in shown for name, value in said.items() if name != "level")
    assert gateway.taken() == []


def test_a_window_of_another_department_is_said_beside_it(tmp_path: Path) -> None:
    gateway = CountyGateway(tmp_path, dept_code=POLICE.code)
    answer = call(desk_of(gateway), department=TAX.code, level="4")
    gateway.close()
    assert answer.status_code == 502
    assert 'id="department-mistake"' in answer.text
    assert f'<option value="{TAX.code}" selected>' in answer.text


def test_a_device_without_the_channel_is_for_the_administrator(tmp_path: Path) -> None:
    gateway = CountyGateway(tmp_path, channels=("sms",))
    answer = call(desk_of(gateway), case_no="C-1", level="4", comment="说得对")
    gateway.close()
    assert "没有 12345热线 渠道" in answer.text
    assert "说得对" in answer.text


def test_a_secret_that_is_not_the_devices_is_for_the_administrator(gateway: CountyGateway) -> None:
    settings = Settings.model_validate({"database": {"url": "postgresql://u:p@127.0.0.1:9/x"}})
    gateway.known_to(settings)
    settings.web.hotline_secret = SecretStr("A" * 43)
    answer = call(Client(create(settings, clock)), case_no="C-1", level="4")
    assert "不认可本页登记的设备" in answer.text
    assert "A" * 43 not in answer.text


def test_a_gateway_that_is_away_loses_nothing(gateway: CountyGateway) -> None:
    desk = desk_of(gateway)
    gateway.port = claim(0, "nothing", "")
    gone = desk_of(gateway)
    event_id = hidden(gone.get("/hotline").text)
    answer = call(gone, event_id=event_id, case_no="C-1", level="3", comment="还行", name=NAME, phone=PHONE)
    assert answer.status_code == 502
    assert "评价网关暂时没有应答" in answer.text
    assert hidden(answer.text) == event_id
    for typed in ("C-1", "还行", NAME, PHONE, 'value="3" checked'):
        assert typed in answer.text
    assert "评价已收到" in call(desk, event_id=event_id, case_no="C-1", level="3").text


# who may send it


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "https://127.0.0.1"},
        ORIGIN | {"sec-fetch-site": "cross-site"},
    ],
)
def test_a_form_of_another_site_is_refused(gateway: CountyGateway, headers: dict[str, str]) -> None:
    answer = call(desk_of(gateway), headers, case_no="C-1", level="1")
    assert answer.status_code == 403
    assert "不是从本系统的页面发出的" in answer.text
    assert gateway.taken() == []


def test_a_browser_is_told_to_say_where_its_form_stood() -> None:
    assert desk_of().get("/hotline").headers["referrer-policy"] == "same-origin", "else the Origin is null"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"comment=" + b"x" * MAX_BODY, 413),
        (b"a=1&" * (MAX_FIELDS + 1), 400),
        (b"\xff=%ff&level=\x00", 422),
        (b"", 422),
    ],
)
def test_what_no_browser_sends_is_answered(gateway: CountyGateway, body: bytes, status: int) -> None:
    assert desk_of(gateway).post("/hotline", content=body, headers=ORIGIN).status_code == status


# settings


def test_without_a_device_the_page_says_how_to_register_one() -> None:
    desk = desk_of()
    for page in (
        desk.get("/hotline"),
        desk.post("/hotline", data={"case_no": "C", "level": "1"}, headers=ORIGIN),
    ):
        assert "hcp device add hotline-12345 --kind system --channel hotline --any-department" in page.text
        assert "HCP_WEB__HOTLINE_SECRET" in page.text
        assert "<form" not in page.text


@pytest.mark.parametrize(
    "web",
    [
        {"hotline_device": "d"},
        {"hotline_device": "d", "hotline_key": "k1"},
        {"hotline_secret": "A" * 43},
        {"hotline_device": "d", "hotline_key": "k1", "hotline_secret": "secret"},
        {"hotline_device": "d", "hotline_key": "k1", "hotline_secret": "A" * 42 + "="},
    ],
)
def test_half_a_device_is_refused(web: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="HCP_WEB__HOTLINE"):
        Web.model_validate(web)


def test_the_secret_is_read_as_it_was_shown(gateway: CountyGateway) -> None:
    settings = Settings()
    gateway.known_to(settings)
    assert settings.web.hotline_secret_bytes == SECRET
    assert Web().hotline_secret_bytes == b""


# the form, whatever is typed


TEXT = st.text(max_size=80)
FIELDS = st.dictionaries(
    st.sampled_from([*Typed._fields, "other"]),
    st.lists(TEXT | st.sampled_from(["1", "5", "115", "C-1"]), max_size=3),
)


@given(FIELDS)
def test_whatever_is_typed_is_a_review_or_has_a_mistake(fields: dict[str, list[str]]) -> None:
    typed = Typed.of(fields, BLANK)
    wrong = mistakes(typed, NOW, ZONE)
    assert wrong.keys() <= set(Typed._fields)
    if not wrong:
        event = review(typed, HOTLINE, ZONE)
        assert event.case_no or event.dept_code
        assert event.submitted_at.tzinfo is not None


def test_a_phone_number_is_kept_as_on_the_citizens_page() -> None:
    event = review(
        BLANK._replace(level=1, case_no="C", phone="０２９－８７６５４３２１ 转 802"), HOTLINE, ZONE
    )
    assert event.reviewer == Reviewer(phone="02987654321-802")
    assert event.real_name


def test_a_name_alone_is_no_real_name() -> None:
    event = review(BLANK._replace(level=1, case_no="C", name="张三"), HOTLINE, ZONE)
    assert not event.real_name
    assert event.reviewer == Reviewer(name="张三")


@pytest.mark.parametrize(
    "body",
    [
        "phone=" + "\u0301\u0323" * (MAX_BODY // 4 - 2),
        "phone=" + "%EF%B7%BA" * (MAX_BODY // 9 - 1),
        "comment=" + "%E5%BE%88" * (MAX_BODY // 9 - 1),
        "comment=" + "'" * (MAX_BODY - 8),
        "at=" + "9" * (MAX_BODY - 3),
        "a&" * (MAX_BODY // 2),
    ],
    ids=range(6),
)
def test_no_form_holds_the_desk(body: str) -> None:
    """As large as it may be: other officers wait 50 ms at most. 30,000 marks in the phone took it three seconds."""
    desk, held = desk_of(), []
    for _ in range(TRIES):
        with watched() as one:
            answer = desk.post("/hotline", content=body.encode(), headers=ORIGIN)
        held.append(one.longest)
    assert answer.status_code in {400, 422}
    assert min(held) < MOST_SECONDS
