"""The queue on an event loop: nothing is lost to a cancelled wait, and nobody is starved."""

from __future__ import annotations

import asyncio

from quotebus.bus.async_feed import AsyncFeed
from quotebus.bus.events import Quote
from tests.support.aio import run
from tests.support.samples import QUOTE, like


def quotes(*seqs: int) -> list[Quote]:
    return [like(QUOTE, seq=seq) for seq in seqs]


def test_a_cancelled_wait_takes_nothing_and_the_iteration_goes_on() -> None:
    async def main() -> None:
        feed: AsyncFeed[Quote] = AsyncFeed(conflate=False, bound=10, timeout_s=None)
        for _ in range(3):
            waiting = asyncio.ensure_future(anext(feed))
            await asyncio.sleep(0)
            feed.put(quotes(1))
            waiting.cancel()  # in the very turn in which a tick came
            await asyncio.wait([waiting])
            assert waiting.cancelled()
            assert (await anext(feed)).seq == 1

    run(main())


def test_ends_after_its_timeout_and_can_be_iterated_again_also_after_a_break() -> None:
    async def main() -> None:
        feed: AsyncFeed[Quote] = AsyncFeed(conflate=False, bound=10, timeout_s=0.01)
        assert [tick async for tick in feed] == []
        feed.put(quotes(1, 2, 3))
        async for tick in feed:
            if tick.seq == 2:
                break
        assert [tick.seq async for tick in feed] == [3]

    run(main())


def test_close_ends_waiting_readers_once_what_waits_was_taken() -> None:
    async def main() -> None:
        feed: AsyncFeed[Quote] = AsyncFeed(conflate=True, bound=10, timeout_s=None)

        async def read() -> list[int]:
            return [tick.seq async for tick in feed]

        readers = [asyncio.create_task(read()) for _ in range(2)]
        await asyncio.sleep(0)
        feed.put(quotes(1, 2))
        feed.close()
        assert sorted(await asyncio.gather(*readers)) == [[], [2]]
        assert feed.conflated == 1

    run(main())


def test_a_loop_that_never_waits_lets_others_run_and_sees_the_newest() -> None:
    async def main() -> None:
        feed: AsyncFeed[Quote] = AsyncFeed(conflate=False, bound=10, timeout_s=None)
        feed.put(quotes(1))
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        async for tick in feed:
            if turns >= 3:
                break
            feed.put(quotes(tick.seq + 1))  # it never runs dry
        task.cancel()
        assert turns >= 3, "the other task had its turns"
        assert tick.seq > 1

    run(main())
