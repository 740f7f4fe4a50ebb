"""The pages behind a code, over HTTP without a browser: what is sent lies in the spool once, and nothing typed is lost."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest
from sqlalchemy import Engine

from pipeline.edge import Vouched
from producers.spool.errors import SpoolFull
from producers.tokens import Claims
from schemas.codes import SATISFACTION, reason_codes
from schemas.identifiers import uuid7
from schemas.receipt import event_of, new_event_id, number_of
from tests.producers.gateway.house import House, house, vouched
from tests.producers.qr.walls import DEPT, WINDOW, case_claims

PHONE, ID_NUMBER, CASE_NO = "13800135678", "11010519491231002X", "MX20261123000451"
HTML = "text/html; charset=utf-8"
HIDDEN = re.compile('name="event_id" value="([^"]+)"')


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path, token_per_minute=50, address_per_minute=500) as made:
        yield made


def path_of(gateway: House, claims: Claims, days: float = 1) -> str:
    return "/r/" + gateway.way_in.tokens.make(claims, gateway.clock() + timedelta(days=days))


def submit(gateway: House, path: str, **fields: Any) -> httpx.Response:
    """Send the form that this path shows."""
    if "event_id" not in fields:
        found = HIDDEN.search(gateway.client.get(path).text)
        fields["event_id"] = found[1] if found else ""
    body = urlencode(fields, doseq=True)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return gateway.client.post(path, content=body, headers=headers)


def number_in(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].partition("number=")[2].partition("&")[0]


def test_the_form_shows_faces_and_the_current_reasons(gateway: House) -> None:
    answer = gateway.client.get(path_of(gateway, WINDOW))
    assert answer.status_code == 200
    assert WINDOW.name in answer.text
    assert DEPT.name in answer.text
    plain = answer.text.replace("<wbr>", "")
    assert all(f"<span>{label}</span>" in plain for label in SATISFACTION.values())
    assert all((f'value="{code}"' in answer.text) != r.retired for code, r in reason_codes().items())


def test_a_place_gets_a_review_without_a_case(gateway: House) -> None:
    path = path_of(gateway, WINDOW)
    answer = submit(gateway, path, level="1", reasons=["115", "113", "510"], comment="跑了三趟")
    (value,) = gateway.values()
    assert value["event_id"] == event_of(number_in(answer))
    assert (value["channel"], value["window_code"], value["dept_code"]) == ("qr", "W03", DEPT.code)
    assert (value["satisfaction"], value["reason_codes"], value["comment"]) == (1, ["113", "115"], "跑了三趟")
    assert not {"case_no", "reviewer", "device_id"} & value.keys()
    (row,) = gateway.rows()
    assert dict(row.record.headers)["ce_source"] == b"/qr"
    assert row.record.key == b"W03"


def test_a_review_is_signed_as_of_whoever_issued_the_link_else_of_its_channel(gateway: House) -> None:
    issued = msgspec.structs.replace(case_claims(gateway.way_in.tokens), issuer="/system/platform-1")
    for claims in (issued, WINDOW):
        number_in(submit(gateway, path_of(gateway, claims), level="5"))
    said = [vouched(gateway.settings, row) for row in gateway.rows()]
    assert said == [Vouched(who, gateway.clock()) for who in ("/system/platform-1", "/qr")]


def test_a_case_token_admits_one_review_and_one_follow_up(gateway: House) -> None:
    path = path_of(gateway, case_claims(gateway.way_in.tokens))
    number_in(submit(gateway, path, level="2"))
    told = gateway.client.get(path)
    assert "您已经评价过了" in told.text
    assert HIDDEN.search(told.text) is None
    follow_up = gateway.client.get(path + "?again=1")
    assert 'name="review_no" value="2"' in follow_up.text
    number_in(submit(gateway, path, level="4", review_no="2", event_id=HIDDEN.search(follow_up.text)[1]))  # type: ignore[index]
    assert "两次评价都已经收到" in gateway.client.get(path + "?again=1").text
    assert [(v["review_no"], v["satisfaction"]) for v in with_default(gateway)] == [(1, 2), (2, 4)]
    third = submit(gateway, path, level="5", review_no="2", event_id="")
    assert (third.status_code, len(gateway.rows())) == (409, 2)


def with_default(gateway: House) -> list[dict[str, Any]]:
    return [{"review_no": 1} | value for value in gateway.values()]


def test_who_filled_in_a_second_form_keeps_it_as_a_follow_up(gateway: House) -> None:
    path = path_of(gateway, case_claims(gateway.way_in.tokens))
    early = new_event_id(gateway.clock())
    number_in(submit(gateway, path, level="2"))
    told = submit(gateway, path, level="1", reasons="115", comment="还是没有解决", event_id=early)
    assert told.status_code == 409
    assert "还是没有解决" in told.text
    assert 'name="review_no" value="2"' in told.text
    assert re.search('value="115" checked', told.text)
    assert len(gateway.rows()) == 1


def test_two_links_to_one_service_admit_the_same_reviews(gateway: House) -> None:
    claims = case_claims(gateway.way_in.tokens)
    number_in(submit(gateway, path_of(gateway, claims, 1), level="2"))
    assert "您已经评价过了" in gateway.client.get(path_of(gateway, claims, 2)).text
    other = path_of(gateway, case_claims(gateway.way_in.tokens, "MX-other"))
    assert "您已经评价过了" not in gateway.client.get(other).text


@pytest.mark.parametrize("of_case", [False, True])
def test_a_double_click_is_one_review(gateway: House, of_case: bool) -> None:
    claims: Claims = case_claims(gateway.way_in.tokens) if of_case else WINDOW
    path, event_id = path_of(gateway, claims), new_event_id(gateway.clock())
    body = urlencode({"event_id": event_id, "level": "1"})

    async def twice() -> list[httpx.Response]:
        transport = httpx.ASGITransport(gateway.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return list(await asyncio.gather(*(client.post(path, content=body) for _ in range(2))))

    numbers = {number_in(answer) for answer in asyncio.run(twice())}
    gateway.clock.move(minutes=30)  # somebody comes back to the tab
    changed = submit(gateway, path, level="2", comment="改了", event_id=event_id)
    assert "以先收到的内容为准" in gateway.client.get(changed.headers["location"]).text
    numbers.add(number_in(changed))
    assert {event_of(number) for number in numbers} == {event_id}
    assert len(gateway.rows()) == 1


def test_a_place_is_reviewed_by_everybody(gateway: House) -> None:
    path = path_of(gateway, WINDOW)
    assert len({number_in(submit(gateway, path, level="5")) for _ in range(3)}) == 3
    assert len(gateway.rows()) == 3


def test_mistakes_are_beside_their_field_and_on_top_and_what_was_typed_stays(gateway: House) -> None:
    path = path_of(gateway, WINDOW)
    answer = submit(gateway, path, phone="12345", comment="<b>第一行</b>\r\n第二行", reasons="115")
    assert answer.status_code == 422
    assert "请核对 2 处内容" in answer.text
    assert '<a href="#level-5">请选择您的满意程度</a>' in answer.text
    assert '<a href="#phone">' in answer.text
    assert 'id="phone-mistake"' in answer.text
    assert 'value="12345"' in answer.text
    assert "&lt;b&gt;第一行&lt;/b&gt;\n第二行</textarea>" in answer.text
    assert "<details open>" in answer.text
    assert gateway.rows() == []


def test_identities_are_sealed_and_nothing_personal_is_in_a_url_or_a_log(
    gateway: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = path_of(gateway, case_claims(gateway.way_in.tokens, CASE_NO))
    answer = submit(gateway, path, level="1", name="欧阳测试", phone=PHONE, id_number=ID_NUMBER)
    urls = [path, answer.headers["location"]]
    (row,) = gateway.rows()
    value = json.loads(row.record.value)
    opened = gateway.way_in.sealer.open_reviewer(value["event_id"], value["reviewer"])
    assert (opened.name, opened.phone, opened.id_number) == ("欧阳测试", PHONE, ID_NUMBER)
    assert value["real_name"]
    for secret in (PHONE, ID_NUMBER, "欧阳测试"):
        assert secret.encode() not in row.record.value
        assert secret not in "".join(urls) + caplog.text
    assert CASE_NO not in "".join(urls) + caplog.text
    assert "selector" in caplog.text, "the twin: this log is heard"


def test_an_expired_code_and_a_damaged_one_say_what_to_do(gateway: House) -> None:
    expired = gateway.client.get(path_of(gateway, WINDOW, days=-1))
    assert (expired.status_code, expired.headers["content-type"]) == (410, HTML)
    assert "请向窗口工作人员索取新的二维码" in expired.text
    damaged = gateway.client.get(path_of(gateway, WINDOW)[:-4])
    assert (damaged.status_code, damaged.headers["content-type"]) == (404, HTML)
    assert "再扫一次" in damaged.text
    assert "www-authenticate" not in damaged.headers
    late = submit(gateway, path_of(gateway, WINDOW, days=-1), level="1")
    assert (late.status_code, gateway.rows()) == (410, [])


def test_too_many_tries_are_told_how_long_to_wait(tmp_path: Path) -> None:
    with house(tmp_path, token_per_minute=2) as gateway:
        path = path_of(gateway, WINDOW)
        for _ in range(2):
            number_in(submit(gateway, path, level="5"))
        told = submit(gateway, path, level="5")
        assert (told.status_code, told.headers["content-type"]) == (429, HTML)
        assert f"请等 {told.headers['retry-after']} 秒" in told.text
        assert len(gateway.rows()) == 2


def test_a_full_spool_keeps_what_was_typed(gateway: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object, **__: object) -> None:
        raise SpoolFull("no room")

    monkeypatch.setattr(gateway.way_in, "accept", full)
    path = path_of(gateway, WINDOW)
    told = submit(gateway, path, level="2", reasons="214", comment="写了很久", name="李四")
    assert told.status_code == 503
    assert int(told.headers["retry-after"]) > 0
    assert "现在暂时不能接收" in told.text
    assert "写了很久" in told.text
    assert re.search('value="214" checked', told.text)
    assert 'value="李四"' in told.text
    monkeypatch.undo()
    found = HIDDEN.search(told.text)
    assert found
    number_in(submit(gateway, path, level="2", comment="写了很久", event_id=found[1]))


def test_a_body_that_is_too_large_or_no_form(gateway: House) -> None:
    path = path_of(gateway, WINDOW)
    large = gateway.client.post(path, content=b"level=1&comment=" + b"x" * 70_000)
    assert (large.status_code, large.headers["content-type"]) == (413, HTML)
    for body in (b"\xff\xfe", b'{"level": 1}', b"&".join(b"a=1" for _ in range(200)), b""):
        assert gateway.client.post(path, content=body).status_code == 422
    assert gateway.rows() == []


def test_thanks_belongs_to_a_number(gateway: House) -> None:
    path = path_of(gateway, case_claims(gateway.way_in.tokens))
    location = submit(gateway, path, level="5").headers["location"]
    thanks = gateway.client.get(location)
    assert "感谢您的评价" in thanks.text
    assert "追加评价一次" in thanks.text
    assert location.partition("number=")[2] in thanks.text
    assert gateway.client.get(path + "/thanks?number=<script>").headers["location"] == path


def test_whoever_was_taken_is_thanked_though_the_address_has_asked_for_much(tmp_path: Path) -> None:
    with house(tmp_path, address_per_minute=3) as gateway:
        path = path_of(gateway, case_claims(gateway.way_in.tokens))
        assert gateway.client.get(path).status_code == 200
        taken = submit(gateway, path, level="5")
        assert (taken.status_code, len(gateway.rows())) == (303, 1)
        assert "感谢您的评价" in gateway.client.get(taken.headers["location"]).text
        assert gateway.client.get(path).status_code == 429


def test_thanks_are_no_way_to_ask_much_or_to_learn_anything(
    gateway: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody counts how often they are asked for: so neither disk nor database is, and every number is told the same."""
    path = path_of(gateway, WINDOW)
    taken, strange = number_in(submit(gateway, path, level="5")), number_of(new_event_id(gateway.clock()))
    monkeypatch.setattr(gateway.way_in, "spool", None)
    monkeypatch.setattr(Engine, "connect", None)
    first, second = (gateway.client.get(f"{path}/thanks?number={number}") for number in (taken, strange))
    assert first.status_code == second.status_code == 200
    assert first.text.replace(taken, strange) == second.text
    for forged in (path + "x", "/r/x", "/r/1test." + "A" * 3_000):
        assert gateway.client.get(f"{forged}/thanks?number={taken}").status_code == 404
    gateway.clock.move(days=3_000)
    assert gateway.client.get(f"{path}/thanks?number={taken}").status_code == 410


def test_a_follow_up_is_called_so_also_where_the_first_review_has_no_number(gateway: House) -> None:
    claims = case_claims(gateway.way_in.tokens)
    path = path_of(gateway, claims)
    token = path.removeprefix("/r/")
    first = {"event_id": str(uuid7()), "satisfaction": 2, "submitted_at": gateway.clock().isoformat()}
    answer = gateway.client.post("/v1/reviews", json=first, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 202
    follow_up = gateway.client.get(path + "?again=1")
    submit(gateway, path, level="4", review_no="2", event_id=HIDDEN.search(follow_up.text)[1])  # type: ignore[index]
    told = gateway.client.get(path).text
    assert "<h2>追加评价的回执编号</h2>" in told
    assert "<h2>回执编号</h2>" not in told


def test_a_receipt_says_received_while_the_database_is_away(gateway: House) -> None:
    number = number_in(submit(gateway, path_of(gateway, WINDOW), level="1"))
    told = gateway.client.get("/r/receipt", params={"number": number.lower().replace("-", "")})
    assert "您的评价已收到" in told.text
    assert number in told.text
    assert "暂时查不到" in gateway.client.get("/r/receipt?number=0000-0000-0000").text
    wrong = gateway.client.get("/r/receipt?number=<b>1")
    assert (wrong.status_code, "&lt;b&gt;1" in wrong.text) == (422, True)
    assert gateway.client.get("/r/receipt").status_code == 200


def test_headers_of_every_page(gateway: House) -> None:
    path = path_of(gateway, WINDOW)
    pages = [path, path_of(gateway, WINDOW, -1), "/r/nonsense", "/r/receipt", path + "/thanks?number=x"]
    for page in pages:
        answer = gateway.client.get(page)
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers
        assert "ratelimit" in answer.headers


def test_it_is_small(gateway: House) -> None:
    answer = gateway.client.get(path_of(gateway, WINDOW), headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < 14_000, "what a server may send before it is answered"
    plain = gateway.client.get(path_of(gateway, WINDOW), headers={"accept-encoding": "identity"})
    assert int(plain.headers["content-length"]) < 60_000
