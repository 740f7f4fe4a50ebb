"""Rows and values as PostgreSQL's COPY reads them, a chunk at a time. No servers."""

from datetime import UTC, date, datetime
from itertools import count
from uuid import UUID

import pytest

from pipeline.ledger.copying import ROWS_A_CHUNK, _Chunks, array, binary, lines
from schemas.codes import Channel


@pytest.mark.parametrize(
    ("values", "literal"),
    [
        ((), "{}"),
        (("a",), "{a}"),
        (("name_missing", "5", "B_9"), "{name_missing,5,B_9}"),
        (("null", "NULL", "nullable"), '{"null","NULL",nullable}'),
        (("", "{,}", "a b", "a-b", "\\", '"', "好"), r'{"","{,}","a b","a-b","\\","\"","好"}'),
    ],
)
def test_an_array_literal_quotes_and_escapes_what_needs_it(values: tuple[str, ...], literal: str) -> None:
    assert array(values) == literal


def test_bytes_are_written_in_hexadecimal() -> None:
    assert binary(b"\x00\xff") == r"\x00ff"


def test_rows_are_lines_of_csv_with_the_backslash_for_escape() -> None:
    rows = [
        (1, "a,b", None, True, Channel.QR),
        (datetime(2026, 11, 23, tzinfo=UTC), date(2026, 11, 23), UUID(int=1)),
        ('"', "\\", "\\n", "line\nfeed"),
    ]
    assert lines(rows[:1]) == b'1,"a,b",null,true,"qr"'
    assert lines(rows).split(b"\n", 2) == [
        b'1,"a,b",null,true,"qr"',
        b'"2026-11-23T00:00:00Z","2026-11-23","00000000-0000-0000-0000-000000000001"',
        rb'"\"","\\","\\n","line' + b'\nfeed"',
    ]


def test_rows_are_made_a_chunk_at_a_time_and_all_of_them() -> None:
    made = count()
    chunks = _Chunks(((next(made),) for _ in range(ROWS_A_CHUNK + 2)), ROWS_A_CHUNK)
    first = chunks.read(8192)
    assert next(made) == ROWS_A_CHUNK
    rest = [chunks.read(8192), chunks.read(8192)]
    assert first == b"".join(b"%d\n" % n for n in range(ROWS_A_CHUNK))
    assert rest == [b"%d\n%d\n" % (ROWS_A_CHUNK + 1, ROWS_A_CHUNK + 2), b""]
    assert chunks.error is None
