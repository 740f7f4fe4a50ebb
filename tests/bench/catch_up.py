"""Catching up: from the first fold to the last position, at one worker process and at two."""

from collections.abc import Iterator

from tests.bench.figures import Figure, number, rate, ratio, steady
from tests.bench.following import follow
from tests.bench.stage import Stage


def measure(stage: Stage) -> Iterator[Figure]:
    """Each repetition in a fresh ledger, over the topics of the ceiling."""
    for workers in (1, 2):
        figure = _figure(stage, workers)
        yield figure
        ceiling = stage.figures.get(f"ceiling, {workers} proc.")
        if ceiling:
            yield ratio(f"catch_up ÷ ceiling, {workers} proc.", figure, ceiling, "medians of this run")


def _figure(stage: Stage, workers: int) -> Figure:
    curves, repairs = [], []
    for _ in stage.repetitions(3):
        with stage.system(stage.backlog.prefix) as system:
            curves.append(follow(system, stage.backlog, workers))
            repairs.append(_later(system.ask(UPDATES)))
        stage.say(
            f"catch_up, {workers}: {number(rate(curves[-1]))} events/s, rows changed later {repairs[-1]}"
        )
    smooth = sorted(steady(curve) for curve in curves)
    ready = max(curve[1][0] for curve in curves)
    return Figure(
        f"catch_up, {workers} proc.",
        "events/s",
        tuple(rate(curve) for curve in curves),
        f"{stage.backlog.records:,} events, all right; 10–90 %: {number(smooth[len(smooth) // 2])}; first fold within {ready:.1f} s",
        details={"curves": curves, "steady": smooth, "rows_changed_later": repairs},
    )


UPDATES = "select relname, n_tup_upd from pg_stat_user_tables where relname in ('service', 'review')"
"""Rows that were written and changed again: partners that came in a later batch."""


def _later(rows: list[tuple[str, int]]) -> dict[str, int]:
    return dict(sorted(rows))
