"""What becomes of rows that lie in the spool: in order, sent, sent again, refused, forgotten in time; and the figures of it."""

from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from tests.producers.spool.making import BEGIN, Clock, crashed, fill, spool, waiting


def test_where_an_event_stands(tmp_path: Path) -> None:
    clock = Clock()
    with spool(tmp_path, clock=clock) as open_:
        fill(open_, "e1", "e2", "e3")
        open_.set_aside(open_.pending(3)[2].seq, "too_large")
        open_.mark_sent(open_.pending(1))
        found = [open_.find(event_id) for event_id in ("e1", "e2", "e3")]
        assert [(one.state, one.received_at) for one in found if one] == [
            ("sent", BEGIN),
            ("waiting", BEGIN),
            ("refused", BEGIN),
        ]
        assert open_.find("e4") is None


def test_what_is_set_aside_stands_in_nobodys_way_and_is_never_deleted(tmp_path: Path) -> None:
    clock = Clock()
    with spool(tmp_path, clock=clock) as open_:
        fill(open_, "e1", "e2", "e3")
        open_.set_aside(open_.pending(3)[1].seq, "too_large")
        assert waiting(open_) == ["e1", "e3"]
        open_.mark_sent(open_.pending(3))
        clock.jump(days=9)
        open_.prune()
        open_.resend(BEGIN)
        assert [open_.find(event_id) is not None for event_id in ("e1", "e2", "e3")] == [False, True, False]
        assert waiting(open_) == []
        assert open_.stats().refused_rows == 1


def test_what_was_sent_lately_can_be_sent_again(tmp_path: Path) -> None:
    clock = Clock()
    with spool(tmp_path, clock=clock) as open_:
        fill(open_, "e1", "e2", "e3")
        for _ in range(2):
            open_.mark_sent(open_.pending(1))
            clock.jump(hours=10)
        open_.resend(BEGIN + timedelta(hours=10))
        assert waiting(open_) == ["e2", "e3"]
        open_.resend(BEGIN)
        assert waiting(open_) == ["e1", "e2", "e3"]
        assert open_.stats().pending == 3


def test_a_resend_while_rows_are_on_their_way_is_not_undone_by_their_mark(tmp_path: Path) -> None:
    with spool(tmp_path, clock=Clock()) as open_:
        fill(open_, "e1", "e2")
        open_.mark_sent(open_.pending(1))
        on_their_way = open_.pending(10)
        open_.resend(BEGIN)
        open_.mark_sent(on_their_way)
        assert waiting(open_) == ["e1", "e2"]


def test_marking_twice_changes_nothing(tmp_path: Path) -> None:
    with spool(tmp_path) as open_:
        fill(open_, "e1", "e2")
        rows = open_.pending(1)
        open_.mark_sent(rows)
        open_.mark_sent(rows)
        open_.mark_sent([])
        assert waiting(open_) == ["e2"]


def test_sent_rows_stay_as_long_as_they_are_kept(tmp_path: Path) -> None:
    clock = Clock()
    with spool(tmp_path, clock=clock) as open_:
        fill(open_, "e1", "e2", "e3")
        open_.mark_sent(open_.pending(1))
        clock.jump(hours=23)
        open_.mark_sent(open_.pending(1))
        clock.jump(hours=2)
        open_.prune()
        assert [open_.find(one) is None for one in ("e1", "e2", "e3")] == [True, False, False]
        fill(open_, "e4")
        assert waiting(open_) == ["e3", "e4"]


def test_a_spool_emptied_by_pruning_numbers_on(tmp_path: Path) -> None:
    clock = Clock()
    with spool(tmp_path, clock=clock) as first:
        fill(first, "e1", "e2")
        first.mark_sent(first.pending(2))
        clock.jump(days=2)
        first.prune()
    with spool(tmp_path, clock=clock) as second:
        fill(second, "e3")
        assert [(row.seq, row.record.event_id) for row in second.pending(2)] == [(3, "e3")]
        assert second.stats().damaged == 0


@pytest.mark.parametrize("by", [timedelta(days=-400), timedelta(days=400)], ids=["back", "forward"])
def test_a_clock_that_jumps_changes_no_order_and_forgets_nothing_unsent(
    by: timedelta, tmp_path: Path
) -> None:
    clock = Clock()
    with spool(tmp_path, clock=clock) as open_:
        fill(open_, "e1", "e2")
        open_.mark_sent(open_.pending(1))
        clock.at += by
        fill(open_, "e3")
        open_.prune()
        assert waiting(open_) == ["e2", "e3"]
        assert open_.stats().oldest_seconds == max(by.total_seconds(), 0)
        open_.mark_sent(open_.pending(1))
        clock.at -= by
        fill(open_, "e4")
        open_.prune()
        assert waiting(open_) == ["e3", "e4"]
        assert open_.stats().oldest_seconds >= 0
        assert open_.stats().pending == 2


def test_how_it_stands(tmp_path: Path) -> None:
    clock = Clock()
    with spool(tmp_path, clock=clock) as open_:
        empty = open_.stats()
        assert (empty.pending, empty.oldest_seconds, empty.max_bytes) == (0, 0, 64 * 2**20)
        fill(open_, "e1", "e2", value=bytes(10_000))
        clock.jump(minutes=2)
        fill(open_, "e3")
        open_.set_aside(open_.pending(3)[1].seq, "too_large")
        now = open_.stats()
        assert (now.pending, now.oldest_seconds, now.refused_rows, now.damaged) == (2, 120, 1, 0)
        assert now.used_bytes >= empty.used_bytes + 20_000
        open_.mark_sent(open_.pending(1))
        later = open_.stats()
        assert (later.pending, later.oldest_seconds) == (1, 0)
        assert (later.appended, later.sent, later.refused) == (3, 1, 1)


def test_rows_are_given_out_up_to_a_size(tmp_path: Path) -> None:
    with spool(tmp_path) as open_:
        fill(open_, "e1", "e2", "e3", value=bytes(40_000))
        assert len(open_.pending(10, 60_000)) == 2
        assert len(open_.pending(10, 1)) == 1
        assert len(open_.pending(10)) == 3


def test_what_was_refused_can_be_tried_again_behind_the_others(tmp_path: Path) -> None:
    with spool(tmp_path / "a") as open_:
        fill(open_, "e1", "e2", "e3", "e4", "e5")
        first, _, third, *_ = open_.pending(5)
        open_.mark_sent(open_.pending(3), {first.seq: "never", third.seq: "never"})
        open_.set_aside(open_.pending(1)[0].seq, "never")
        assert waiting(open_) == ["e5"]
        assert open_.retry_refused() == 3
        assert waiting(open_) == ["e4", "e5", "e1", "e3"]
        assert (open_.stats().pending, open_.stats().refused_rows) == (4, 0)
        fill(open_, "e6")
        left = crashed(tmp_path / "a", tmp_path / "left")
    with spool(left) as again:
        assert waiting(again) == ["e4", "e5", "e1", "e3", "e6"]
        assert again.retry_refused() == 0


def test_rows_refused_among_others_are_marked_with_them_in_one_commit(tmp_path: Path) -> None:
    with spool(tmp_path) as open_:
        fill(open_, "e1", "e2", "e3")
        rows = open_.pending(3)
        open_.mark_sent(rows, {rows[1].seq: "too_large"})
        stats = open_.stats()
        assert (stats.pending, stats.sent, stats.refused, stats.refused_rows) == (0, 2, 1, 1)


def test_what_waits_is_told_from_what_was_sent_in_bytes(tmp_path: Path) -> None:
    with spool(tmp_path) as open_:
        fill(open_, *(f"e{n}" for n in range(40)), value=bytes(20_000))
        all_wait = open_.stats()
        assert all_wait.waiting_bytes == all_wait.used_bytes
        open_.mark_sent(open_.pending(30))
        few_wait = open_.stats()
        assert few_wait.waiting_bytes == few_wait.used_bytes // 4


def test_it_is_measured(tmp_path: Path) -> None:
    clock = Clock()
    with spool(tmp_path, clock=clock) as open_:
        appended, sent = sample("hcp_spool_appended_total"), sample("hcp_spool_sent_total")
        fill(open_, "e1", "e2", "e3", "e2")
        open_.mark_sent(open_.pending(2), {2: "too_large"})
        clock.jump(minutes=5)
        open_.measure(timedelta(hours=12))
        assert sample("hcp_spool_appended_total") == appended + 3
        assert sample("hcp_spool_sent_total") == sent + 1
        assert sample("hcp_spool_pending_rows") == 1
        assert sample("hcp_spool_oldest_seconds") == 300
        assert sample("hcp_spool_age_limit_seconds") == 43_200
        assert sample("hcp_spool_refused_rows") == 1
        assert sample("hcp_spool_damaged_files") == 0
        assert sample("hcp_spool_max_bytes") == 64 * 2**20
        assert 0 < sample("hcp_spool_waiting_bytes") < sample("hcp_spool_used_bytes")


def sample(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0
