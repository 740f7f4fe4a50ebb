"""Dead letters as records again: their first time, their link, their names; what is shown of them, and what is not."""

import json
import os
import signal
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.edge import Vouched
from pipeline.ledger.dead_letters import Filter, Name, State
from pipeline.ledger.portion import Headers, Part
from pipeline.seal_keys import Seal
from pipeline.sealing import Sealer
from pipeline.settings import Kafka, Settings
from producers.dlq import acting, editing, showing
from producers.dlq.choice import chosen, named, wanted
from producers.dlq.outgoing import Outgoing, first_received, outgoing
from producers.errors import DeadLetterError, NotPublishedError, TooLargeError
from producers.publish import Sent
from tests.conftest import MONTHS, SEAL_KEY
from tests.harness import now, review
from tests.ledger.test_fold import Ledger, book  # noqa: F401  `book` is a fixture
from tests.letters import APPENDED, TOPIC, letter, letters_of, refuse, unreadable

SEALER = Sealer(Seal.model_validate({"current": "t", "keys": {"t": SEAL_KEY}, "months": MONTHS}))
ZONE = ZoneInfo("Asia/Shanghai")
HOUR = timedelta(hours=1)


AFTER = APPENDED + timedelta(days=900)
"""Until then claims need no signature."""


def sent(value: bytes, headers: Headers = ()) -> Outgoing:
    return outgoing(letter(value, SEALER, headers), value, Vouched("", APPENDED), Kafka(), SEALER)


def header(at: str) -> Headers:
    return (("hcp_received_at", at.encode()),)


@pytest.mark.parametrize(
    ("headers", "body", "first"),
    [
        ((), b"{", APPENDED),
        ((), b"\xff\x00", APPENDED),
        ((), json.dumps({"received_at": (APPENDED - HOUR).isoformat()}).encode(), APPENDED - HOUR),
        ((), json.dumps({"received_at": (APPENDED + HOUR).isoformat()}).encode(), APPENDED),
        ((), b'{"received_at": "1999-01-01T00:00:00Z"}', APPENDED),
        ((), b'{"received_at": "2026-11-20T07:00:00"}', APPENDED),
        ((), b'{"received_at": 5}', APPENDED),
        ((), b'{"received_at": "\\ud800"}', APPENDED),
        (header("2026-11-20T07:00:00Z"), b"{", APPENDED - 2 * HOUR),
        (header("2026-11-20T07:00:00Z"), b'{"received_at": "2026-11-20T08:00:00Z"}', APPENDED - 2 * HOUR),
        (header("no time"), b"{", APPENDED),
        ((("hcp_received_at", b"\xff"),), b"{", APPENDED),
        ((("hcp_received_at", None),), b"{", APPENDED),
    ],
)
def test_the_first_time_is_the_headers_then_the_bodys_then_the_logs(
    headers: Headers, body: bytes, first: datetime
) -> None:
    assert first_received(letter(body, SEALER, headers), body, SEALER, AFTER) == Vouched("", first)
    claimed = first_received(letter(body, SEALER, headers), body, SEALER, APPENDED)
    assert claimed == Vouched("", APPENDED), "what nobody signed does not count"


def signed(value: bytes, at: datetime, event_id: str = "e", sender: str = "/system/a") -> Headers:
    return (SEALER.edge.sign(TOPIC, event_id, at, sender, value),)


def test_what_the_edge_signed_counts_of_a_letter_and_goes_on_with_its_sender() -> None:
    early = APPENDED - HOUR
    body = json.dumps({"event_id": "e", "received_at": early.isoformat()}).encode()
    for value, headers in (
        (body, signed(body, early)),
        (b"{", (("ce_id", b" e "), *signed(b"{", early))),
        (b"{", signed(b"{", early, event_id="")),
        (body, (("hcp_edge", None), *signed(body, early), ("hcp_edge", None))),
    ):
        first = first_received(letter(value, SEALER, headers), value, SEALER, APPENDED)
        assert first == Vouched("/system/a", early)
    late = signed(b"{", APPENDED + HOUR, event_id="")
    first = first_received(letter(b"{", SEALER, late), b"{", SEALER, APPENDED)
    assert first == Vouched("/system/a", APPENDED)


def test_no_claim_is_laundered_by_sending_a_letter_again() -> None:
    early, other = APPENDED - HOUR, b'{"event_id": "other"}'
    body = json.dumps({"event_id": "e", "received_at": early.isoformat()}).encode()
    for headers in (
        (),
        header(early.isoformat()),
        signed(other, early),
        signed(body, early, event_id="f"),
        signed(body, early - HOUR),
        (("hcp_edge", b"1;t;junk"),),
        (*signed(body, early), *header((early - HOUR).isoformat())),
    ):
        first = first_received(letter(body, SEALER, headers), body, SEALER, APPENDED)
        assert first == Vouched("", APPENDED)
        again = outgoing(letter(body, SEALER, headers), body, first, Kafka(), SEALER)
        edge = dict(again.headers)["hcp_edge"]
        assert SEALER.edge.verify(edge, TOPIC, "e", body) == first


claims = st.one_of(
    st.binary(max_size=30),
    st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)).map(
        lambda at: (at.isoformat() + "+08:00").encode()
    ),
)


@given(claim=st.none() | claims, body=claims, links=st.integers(1, 3), old=st.booleans())
def test_however_often_it_is_sent_again_its_time_stays_the_first(
    claim: bytes | None, body: bytes, links: int, old: bool
) -> None:
    value = b'{"received_at": "' + body + b'"}'
    headers: Headers = (("hcp_received_at", claim), ("other", b"kept"))
    since = APPENDED + HOUR / 2 if old else APPENDED
    first = first_received(letter(value, SEALER, headers), value, SEALER, since)
    assert first.received_at <= APPENDED if old else first.received_at == APPENDED
    for n in range(links):
        again = letter(value, SEALER, headers, APPENDED + n * HOUR)
        counted = first_received(again, value, SEALER, since)
        headers = tuple(outgoing(again, value, counted, Kafka(), SEALER).headers)
        assert dict(headers) == {
            "other": b"kept",
            "hcp_received_at": first.received_at.isoformat().encode(),
            "hcp_dead_letter": f"{TOPIC}/0/7".encode(),
            "hcp_edge": signed(value, first.received_at, "", "")[0][1],
        }
        assert len(headers) == 4


def test_it_is_judged_as_the_worker_will_judge_it() -> None:
    event = review("A", submitted_at=(APPENDED - HOUR).isoformat())
    good = sent(json.dumps(event).encode())
    assert (good.event_id, good.refusal, good.key) == (event["event_id"], "", b"key")
    bad = sent(json.dumps(unreadable()).encode())
    assert bad.event_id is None
    assert bad.refusal.startswith("wrong_type: satisfaction")
    other = sent(json.dumps(event).encode(), (("ce_id", b"another"),))
    assert other.refusal.startswith("id_mismatch")


def test_a_letter_of_a_foreign_topic_is_not_sent() -> None:
    with pytest.raises(DeadLetterError, match="HCP_KAFKA__TOPIC_PREFIX"):
        outgoing(letter(b"{", SEALER), b"{", Vouched("", APPENDED), Kafka(topic_prefix="x."), SEALER)


@given(st.binary(max_size=80), st.booleans())
def test_no_sender_steers_the_terminal(value: bytes, clear: bool) -> None:
    shown = "\n".join(showing.body({"value": Part.of(value)}, clear=clear))
    assert all(char.isprintable() or char == "\n" for char in shown)


def bytes_shown(body: bytes, *, clear: bool = False) -> str:
    (shown,) = showing.body({"value": Part.of(body)}, clear=clear)
    return shown


def test_numbers_and_the_reviewer_are_hidden_unless_asked_for() -> None:
    body = b'{"comment": "\\u0031\\u0033800135678", "reviewer": {"name": "\xe5\xbc\xa0\xe4\xb8\x89"}}'
    shown = bytes_shown(body)
    assert "138****5678" in shown
    assert "张三" not in shown
    assert "张三" in bytes_shown(body, clear=True)
    assert "138****5678" in bytes_shown(b"call 13800135678 {")
    named = letter(b"{", SEALER, (("x-phone", b"13800135678"), ("x-\x1b[2J", None)))
    told = "\n".join(showing.whole(named, [], ZONE, clear=False))
    assert "138****5678" in told
    assert "\x1b" not in told
    assert "13800135678" in "\n".join(showing.whole(named, [], ZONE, clear=True))


def test_a_summary_counts_reasons() -> None:
    line = letter(b"{", SEALER).line
    assert showing.summary([line, line], "open ") == "2 open dead letters: 2 not_json"
    assert showing.summary([], "open ") == "no open dead letters"
    assert showing.line(line, ZONE) == f"{TOPIC}/0/7  2026-11-20 17:00:00+08:00  open  not_json  m"
    assert json.loads(json.dumps(showing.as_json(line)))["name"] == f"{TOPIC}/0/7"


def test_a_persons_words_for_a_filter() -> None:
    got = wanted(["not_json"], "2026-11-23", "2026-11-23T08:30:00Z", [State.OPEN], ZONE)
    assert got.since is not None
    assert got.until is not None
    assert (got.since.isoformat(), got.until.isoformat()) == (
        "2026-11-23T00:00:00+08:00",
        "2026-11-23T08:30:00+00:00",
    )
    with pytest.raises(DeadLetterError, match="--since yesterday: a day"):
        wanted([], "yesterday", None, [], ZONE)
    with pytest.raises(DeadLetterError, match="there are only not_json"):
        wanted(["json"], None, None, [], ZONE)


@pytest.mark.system
def test_names_and_filters_choose(book: Ledger) -> None:  # noqa: F811
    refuse(book, b"{", b"[]")
    first, second = (line.name for line in letters_of(book))
    with book.pool.connect() as connection:
        assert named(connection, [str(second), str(first), str(second)]) == [second, first]
        assert named(connection, [f"{first}/id"]) == [first]
        assert chosen(connection, [], Filter(["not_json"]), all_of_filter=True) == [first]
        for words, among, all_of_filter, sentence in (
            ([], Filter(), False, "say --all-of-filter for the 2"),
            ([str(first)], Filter(["not_json"]), False, "do not go together"),
            ([str(first)], Filter(), True, "do not go together"),
            (["nonsense"], Filter(), False, "no name of a dead letter"),
            ([f"{first.topic}/0/99"], Filter(), False, "there is no dead letter"),
        ):
            with pytest.raises(DeadLetterError, match=sentence):
                chosen(connection, words, among, all_of_filter=all_of_filter)
    book.ask("update dead_letter set topic_id = 'anew' where \"offset\" = 1 returning 1")
    book.ask("update dead_letter set \"offset\" = 0 where topic_id = 'anew' returning 1")
    with book.pool.connect() as connection:
        with pytest.raises(DeadLetterError, match=rf"more than one letter.*{first}/id, {first}/anew"):
            named(connection, [str(first)])
        assert named(connection, [f"{first}/anew"])[0].topic_id == "anew"


class Acknowledged(Sent):
    """A record that is there, or not."""

    def __init__(self, place: tuple[str, int, int] | None) -> None:
        self._place = place

    def place(self) -> tuple[str, int, int] | None:
        return self._place


class Log:
    """A publisher that keeps what it is given; `fault` may raise for a record, or have it not acknowledged."""

    def __init__(self, fault: Callable[[int], bool] = lambda _: False) -> None:
        self.kept: list[tuple[str, bytes]] = []
        self._fault = fault
        self._unacknowledged = ""

    def send_raw(self, *record: Any) -> Sent:
        _, _, value, _, name = record
        if self._fault(len(self.kept)):
            self._unacknowledged = name
            return Acknowledged(None)
        self.kept.append((name, value))
        return Acknowledged((TOPIC, 1, len(self.kept)))

    def flush(self) -> None:
        if self._unacknowledged:
            raise NotPublishedError(f"Kafka did not acknowledge {self._unacknowledged}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def retry(made: Settings, names: list[Name], log: Log, monkeypatch: pytest.MonkeyPatch) -> acting.Report:
    monkeypatch.setattr(acting, "publisher", lambda _: log)
    return acting.retry(made, names)


@pytest.mark.system
def test_what_was_acknowledged_is_on_record_though_another_was_not(
    book: Ledger,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refuse(book, b"{", b"[]", b"}")
    names = [line.name for line in letters_of(book)]
    with pytest.raises(NotPublishedError, match=str(names[2])):
        retry(book.settings, names, Log(lambda kept: kept == 2), monkeypatch)
    assert [line.name for line in letters_of(book)] == names[2:]
    assert book.ask("select sent_offset from office.dead_letter_action order by id") == [(1,), (2,)]
    report = retry(book.settings, names, log := Log(), monkeypatch)
    assert (report.done, [state for _, state in report.left]) == (1, [State.RETRIED] * 2)
    assert [name for name, _ in log.kept] == [str(names[2])]


@pytest.mark.system
def test_a_letter_that_cannot_be_sent_does_not_keep_the_others(
    book: Ledger,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def too_large(kept: int) -> bool:
        if kept == 1:
            raise TooLargeError("larger")
        return False

    refuse(book, b"{", b"[]", b"}")
    book.ask("update dead_letter set value = 's1.gone.x' where \"offset\" = 0 returning 1")
    book.connection.commit()
    names = [line.name for line in letters_of(book)]
    report = retry(book.settings, names, Log(too_large), monkeypatch)
    assert report.done == 1
    assert [name for name, _ in report.failed] == [names[0], names[2]]
    assert "HCP_SEAL__KEYS" in report.failed[0][1]
    assert [line.name for line in letters_of(book)] == [names[0], names[2]], "they stay open"


def two_at_once(book: Ledger, monkeypatch: pytest.MonkeyPatch) -> int:  # noqa: F811
    """How many records two people send who retry one letter at the same moment."""
    refuse(book, b"{")
    names = [line.name for line in letters_of(book)]
    meeting = threading.Barrier(2)

    def meet(_: int) -> bool:
        with suppress(threading.BrokenBarrierError):
            meeting.wait(2)
        return False

    log = Log(meet)
    monkeypatch.setattr(acting, "publisher", lambda _: log)
    people = [threading.Thread(target=acting.retry, args=(book.settings, names)) for _ in range(2)]
    for one in people:
        one.start()
    for one in people:
        one.join(30)
    return len(log.kept)


@pytest.mark.system
def test_two_who_retry_the_same_letter_send_it_once(
    book: Ledger,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert two_at_once(book, monkeypatch) == 1


@pytest.mark.system
def test_the_twin_without_the_lock_sends_it_twice(
    book: Ledger,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.ledger.dead_letters.hold", lambda _: None)
    assert two_at_once(book, monkeypatch) == 2


def editor(tmp_path: Path, *commands: str) -> str:
    """A fake $EDITOR: one shell command a call, with the file as $1."""
    script = tmp_path / "editor"
    lines = "\n".join(f"{n}) {command} ;;" for n, command in enumerate(commands, start=1))
    calls = tmp_path / "calls"
    script.write_text(f'#!/bin/sh\necho x >>{calls}\ncase $(wc -l <{calls} | tr -d " ") in\n{lines}\nesac\n')
    script.chmod(0o700)
    return str(script)


Mending = Callable[..., tuple[acting.Report, Log, list[str]]]
MEND = """sed -i 's/"5"/5/' "$1" """
SPOIL = """sed -i 's/"5"/6/' "$1" """
MEND_AFTER = """sed -i 's/6/5/' "$1" """


@pytest.fixture
def mending(
    book: Ledger,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Mending:
    """Edits the one letter that there is with these commands; gives report, log, and what was asked."""
    refuse(book, {"event_id": "e", "satisfaction": "5", "channel": "qr", "submitted_at": now(days=900)})
    book.settings.stack.data_dir = tmp_path / "data"
    log = Log()
    monkeypatch.setattr(acting, "publisher", lambda _: log)

    def run(*commands: str, answer: bool = True) -> tuple[acting.Report, Log, list[str]]:
        asked: list[str] = []

        def ask(trouble: str) -> bool:
            asked.append(trouble)
            return answer

        monkeypatch.setenv("EDITOR", editor(tmp_path, *commands))
        (line,) = letters_of(book, Filter(states=()))
        try:
            return editing.edit(book.settings, line.name, ask), log, asked
        finally:
            assert list((tmp_path / "data").iterdir()) == [], "no draft stays on the disk"

    return run


@pytest.mark.system
def test_an_edited_letter_is_sent_and_the_original_stays(
    book: Ledger,  # noqa: F811
    mending: Mending,
    tmp_path: Path,
) -> None:
    look = f'stat -c %a "$1" "$(dirname "$1")" >{tmp_path}/modes; cp "$1" "$1~"; {MEND}'
    before = book.ask("select value from dead_letter")
    report, log, asked = mending(look)
    assert (report.done, asked) == (1, [])
    assert json.loads(log.kept[0][1])["satisfaction"] == 5
    assert (tmp_path / "modes").read_text().split() == ["600", "700"]
    assert book.ask("select value from dead_letter") == before
    assert book.ask("select action, event_id, sent_topic, sent_offset from office.dead_letter_action") == [
        ("edit", "e", TOPIC, 1)
    ]
    with pytest.raises(DeadLetterError, match="already edited: --again"):
        mending(MEND)


@pytest.mark.system
def test_what_is_still_wrong_is_said_and_may_be_mended(
    mending: Mending,
) -> None:
    report, log, asked = mending(SPOIL, MEND_AFTER)
    assert "out_of_range: satisfaction" in asked[0]
    assert report.done == len(asked) == len(log.kept) == 1


@pytest.mark.system
@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("true", "nothing was changed"),
        ('echo >>"$1"', "nothing was changed"),
        (SPOIL, "nothing sent, for it is still no event: out_of_range: satisfaction"),
        ("exit 3", "ended with 3"),
    ],
)
def test_nothing_is_sent_that_is_unchanged_or_wrong(
    book: Ledger,  # noqa: F811
    mending: Mending,
    command: str,
    sentence: str,
) -> None:
    with pytest.raises(DeadLetterError, match=sentence):
        mending(command, answer=False)
    assert book.ask("select count(*)::int from office.dead_letter_action") == [(0,)]
    assert len(letters_of(book)) == 1


@pytest.mark.system
def test_without_an_editor_it_says_so(
    book: Ledger,  # noqa: F811
    mending: Mending,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (line,) = letters_of(book)
    for words in ("", "no-such-editor --wait"):
        monkeypatch.setenv("EDITOR", words)
        with pytest.raises(DeadLetterError, match="set EDITOR"):
            editing.edit(book.settings, line.name, lambda _: False)


def test_the_draft_is_ours_alone_and_goes_when_we_are_told_to_end(tmp_path: Path) -> None:
    folder = tmp_path / "data"

    def told_to_end() -> None:
        with editing._draft(folder, b"\xff\x00") as file:
            assert file.read_bytes() == b"\xff\x00"
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            os.kill(os.getpid(), signal.SIGHUP)

    with pytest.raises(SystemExit):
        told_to_end()
    assert list(folder.iterdir()) == []
