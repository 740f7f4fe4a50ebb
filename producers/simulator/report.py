"""What a run says: a line every few seconds, and at the end the totals, by way, channel, trouble and refusal. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping

from producers.simulation.miniature import Miniature
from producers.simulator.tally import MEDIAN, P99, Tally, quantile

FAST = (
    "its hours went by faster than ours, and the gateway stamps what it receives with its own clock: "
    "how late anything was collected says nothing here"
)
FROM_ONE_ADDRESS = (
    "the gateway takes so many public calls a minute of one address, and all our citizens seem to have the same: "
    "let it believe who forwards for them (HCP_GATEWAY__TRUSTED_PROXIES)"
)


def line(tally: Tally, events_a_second: float) -> str:
    """How it stands. `events_a_second`, and how long answers took: lately."""
    said = (
        f"{tally.done:,} events, {events_a_second:,.0f}/s, p50 {_ms(quantile(tally.recent, MEDIAN))}, "
        f"p99 {_ms(quantile(tally.recent, P99))}"
    )
    return said + _counted(", refused", tally.refused) + _counted(", again", tally.again)


def summary(county: Miniature, tally: Tally, *, fast: bool) -> str:
    """The totals. `fast`: faster than life."""
    return "\n".join(_lines(county, tally, fast=fast))


def _lines(county: Miniature, tally: Tally, *, fast: bool) -> Iterator[str]:
    expect = tally.expect(county.case_prefix)
    rate = tally.done / tally.seconds if tally.seconds else 0.0
    yield f"county {county.name}: {tally.done:,} events in {tally.seconds:,.1f} s, {rate:,.0f}/s"
    yield (
        f"services {expect.services:,}, case records {len(expect.cases):,}, "
        f"reviews {len(expect.reviews) + len(expect.standalone):,}, tickets {expect.tickets:,}, "
        f"conflicts {expect.conflicts:,}"
    )
    yield "reviews by channel" + _counted(":", expect.channels)
    for what in tally.answers:
        yield _of_way(what, tally)
    for name, counted in (("went wrong", tally.troubles), ("refused", tally.refused), ("again", tally.again)):
        if counted:
            yield name + _counted(":", counted)
    if expect.unanswered:
        yield f"without an answer: {len(expect.unanswered):,}"
    if "too_many" in tally.again or "page_429" in tally.again:
        yield FROM_ONE_ADDRESS
    if fast:
        yield FAST


def _of_way(what: str, tally: Tally) -> str:
    answers = tally.answers[what]
    return (
        f"{what:10} {tally.by_way[what]:>9,} taken, {len(answers):>9,} answers, p50 {_ms(quantile(answers, MEDIAN))}, "
        f"p99 {_ms(quantile(answers, P99))}"
    )


def _counted(head: str, counted: Mapping[str, int]) -> str:
    return (
        head + " " + ", ".join(f"{name} {n:,}" for name, n in Counter(counted).most_common())
        if counted
        else ""
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"
