"""Whatever is sent: no 5xx, no hang; what was taken the worker can read, what was refused is told why."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.ledger.decode import decode
from pipeline.ledger.portion import Portion, Record
from pipeline.sealing import Sealer
from producers.gateway import cloudevents
from producers.spool.record import Row
from schemas.topics import Stream
from tests.harness import review
from tests.producers.gateway.exploring import explore
from tests.producers.gateway.house import UNLIMITED, House, ce_headers, house
from tests.producers.gateway.mutating import FORMS, bombard, post

MUTANTS, CASES = 8_000, 400
"""For every day; `python -m tests.producers.gateway` takes more."""


def dead(gateway: House, rows: list[Row]) -> list[str]:
    """What the worker would refuse of these."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    found = []
    for stream in (Stream.REVIEW, Stream.CASE):
        records = [
            Record(row.seq, now, row.record.key, tuple(row.record.headers), row.record.value)
            for row in rows
            if row.record.stream == stream
        ]
        portion = Portion(stream, "t", 0, 0, len(records), records)
        found += [letter.message for letter in decode(portion, Sealer(gateway.settings.seal)).dead]
    return found


@hypothesis_settings(deadline=None, max_examples=300)
@given(body=st.binary(max_size=300) | st.text(max_size=100).map(str.encode), form=st.sampled_from(FORMS))
def test_any_bytes(open_house: House, body: bytes, form: str) -> None:
    headers = open_house.signed(body, headers=ce_headers(review("C1")) | {"content-type": form})
    status, media, answer = asyncio.run(post(open_house, headers, body))
    assert status in {202, 207, 400, 413, 422}
    assert json.loads(answer)
    assert (media == "application/problem+json") == (status >= 400)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@hypothesis_settings(deadline=None, max_examples=300)
@given(
    data=JSON,
    attributes=st.dictionaries(st.sampled_from(["id", "type", "source", "data"]), JSON),
    many=st.booleans(),
)
def test_any_json_in_an_envelope(
    open_house: House, data: object, attributes: dict[str, object], many: bool
) -> None:
    kind = next(iter(cloudevents.TYPES))
    told = {"specversion": "1.0", "id": "1", "source": "/t", "type": kind, "data": data} | attributes
    body = json.dumps([told] if many else told).encode()
    headers = open_house.signed(body, headers={"content-type": FORMS[1 + many]})
    status, _, answer = asyncio.run(post(open_house, headers, body))
    assert status in {202, 207, 400, 403, 422}
    assert json.loads(answer)


def test_mutants(tmp_path_factory: pytest.TempPathFactory) -> None:
    with house(tmp_path_factory.mktemp("mutants"), **UNLIMITED) as gateway:
        statuses = asyncio.run(bombard(gateway, MUTANTS, seed=5)).statuses
        assert statuses[202] > MUTANTS / 10
        assert statuses[400] + statuses[422] > MUTANTS / 10
        rows = gateway.rows()
        assert len(rows) > statuses[202] / 2
        assert dead(gateway, rows) == []


def test_a_gateway_that_reads_less_strictly_is_found_out(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin: a reader that lets the year 9999 pass takes what the worker will refuse."""
    with house(tmp_path_factory.mktemp("twin"), **UNLIMITED) as gateway:
        with monkeypatch.context() as broken:
            broken.setattr("schemas.reading._check_times", lambda *_: None)
            asyncio.run(bombard(gateway, MUTANTS, seed=5))
        assert dead(gateway, gateway.rows())


def test_what_the_description_says(open_house: House) -> None:
    seen = explore(open_house, CASES)
    for operation in ("POST /v1/events", "POST /v1/reviews"):
        statuses = seen[operation].statuses
        assert statuses[202] > statuses.total() / 10
        assert statuses[422] > statuses.total() / 10
