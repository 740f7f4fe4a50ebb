"""Catching up: from the first fold to the last position, at one worker process and at two."""

from collections.abc import Iterator

from tests.bench.figures import Figure, number, rate, ratio, steady
from tests.bench.following import follow
from tests.bench.stage import Backlog, Stage
from tests.harness import System


def measure(stage: Stage) -> Iterator[Figure]:
    """Each repetition in a fresh ledger, over the topics of the ceiling."""
    for workers in (1, 2):
        figure = _figure(stage, workers)
        yield figure
        for readers in range(1, workers + 1):
            ceiling = stage.figures.get(f"ceiling, {readers} proc.")
            if ceiling:
                name = f"catch_up, {workers} proc. ÷ ceiling, {readers} proc."
                yield ratio(name, figure, ceiling, "medians of this run")


def _figure(stage: Stage, workers: int) -> Figure:
    curves, shapes = [], []
    for _ in stage.repetitions(3):
        with stage.system(stage.backlog.prefix) as system:
            curves.append(follow(system, stage.backlog, workers))
            shapes.append(_shape(system, stage.backlog))
        stage.say(f"catch_up, {workers}: {number(rate(curves[-1]))} events/s, {shapes[-1]}")
    smooth = sorted(steady(curve) for curve in curves)
    ready = max(curve[1][0] for curve in curves)
    return Figure(
        f"catch_up, {workers} proc.",
        "events/s",
        tuple(rate(curve) for curve in curves),
        f"{stage.backlog.records:,} events, all right; 10–90 %: {number(smooth[len(smooth) // 2])}; first fold within {ready:.1f} s",
        details={"curves": curves, "steady": smooth, "shapes": shapes},
    )


def _shape(system: System, backlog: Backlog) -> dict[str, int]:
    """What a rate hangs on: records in a portion and in a transaction, services written again for a partner that came later."""
    portions, transactions = system.ask("select count(*), count(distinct xmin::text) from raw_block")[0]
    again = system.one("select n_tup_upd from pg_stat_user_tables where relname = 'service'")
    return {
        "records_a_portion": backlog.records // portions,
        "records_a_transaction": backlog.records // transactions,
        "services_written_again": again,
    }
