"""A reader that was sent back: what is on its way from elsewhere is dropped, and a seek that had no effect is made again."""

import asyncio
from collections.abc import Mapping

import pytest

from pipeline.ledger.positions import TopicPartition
from pipeline.worker import folding as module
from tests.worker.test_blocked import BAD, GOOD, SECONDS, Fold, Ledger, folding, portion


@pytest.mark.parametrize("lost_seconds", [-1, 1_000])
def test_a_reader_that_was_sent_back_in_vain_is_sent_back_again(
    lost_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOST_SECONDS", lost_seconds)

    async def story() -> list[Mapping[TopicPartition, int]]:
        fold, sought = Fold(), asyncio.Queue[Mapping[TopicPartition, int]]()
        one = folding(fold, Ledger(), sought)
        running = asyncio.create_task(one.run())
        one.expect({GOOD: 5, BAD: 1})
        await one.take_in([portion(GOOD, 9)])
        if lost_seconds < 0:
            assert await asyncio.wait_for(sought.get(), SECONDS) == {GOOD: 5}
        await one.take_in([portion(GOOD, 5, 6)])
        async with asyncio.timeout(SECONDS):
            while GOOD not in one.folded_to:  # noqa: ASYNC110  the fold tells nobody when a batch is in
                await asyncio.sleep(0)
        running.cancel()
        one.close()
        assert fold.folded == {BAD: [], GOOD: [5, 6]}
        return [sought.get_nowait() for _ in range(sought.qsize())]

    assert asyncio.run(story()) == [], "and nobody is sent anywhere for a partition that has no more"
