"""Both queues are bounded, in order, and say what they left out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue

from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.events import Quote
from quotebus.bus.feed import Feed
from tests.support.programs import DEADLINE_S, eventually
from tests.support.samples import QUICK, QUOTE, like


def quote(symbol: str, seq: int) -> Quote:
    return like(QUOTE, symbol=symbol, seq=seq)


def taken(feed: Feed[Quote]) -> list[tuple[str, int]]:
    feed.close()
    return [(tick.symbol, tick.seq) for tick in feed]


def test_conflation_keeps_the_newest_of_each_symbol_oldest_waiting_first() -> None:
    feed: Feed[Quote] = Feed(conflate=True, bound=1, timeout_s=None)
    assert feed.put([quote("A", 1), quote("B", 1), quote("A", 2)]) == 0
    feed.put([quote("C", 1), quote("A", 3)])
    assert len(feed) == 3
    assert taken(feed) == [("A", 3), ("B", 1), ("C", 1)]
    assert (feed.conflated, feed.dropped) == (2, 0)


def test_conflating_reader_sees_the_newest_though_it_is_slow() -> None:
    feed: Feed[Quote] = Feed(conflate=True, bound=1, timeout_s=0)
    feed.put([quote("A", 1), quote("B", 1)])
    reader = iter(feed)
    assert next(reader).seq == 1
    feed.put([quote("B", 2)])
    assert next(reader).seq == 2


def test_bounded_feed_lets_the_oldest_go_and_counts() -> None:
    feed: Feed[Quote] = Feed(conflate=False, bound=3, timeout_s=None)
    assert feed.put([quote("A", seq) for seq in (1, 2)]) == 0
    assert feed.put([quote("A", seq) for seq in (3, 4, 5)]) == 2
    assert (len(feed), feed.dropped) == (3, 2)
    assert [seq for _, seq in taken(feed)] == [3, 4, 5]


def test_ends_after_its_timeout_and_can_be_iterated_again() -> None:
    feed: Feed[Quote] = Feed(conflate=False, bound=3, timeout_s=0.01)
    assert list(feed) == []
    feed.put([quote("A", 1)])
    assert len(list(feed)) == 1


def test_a_loop_left_early_goes_on_where_it_was() -> None:
    feed: Feed[Quote] = Feed(conflate=False, bound=9, timeout_s=None)
    feed.put([quote("A", seq) for seq in (1, 2, 3)])
    for tick in feed:
        assert tick.seq == 1
        break
    feed.put([quote("A", 4)])
    assert [seq for _, seq in taken(feed)] == [2, 3, 4]
    assert feed.dropped == 0


def test_a_loop_left_early_leaves_the_rest_to_a_thread_that_waits_beside_it() -> None:
    feed: Feed[Quote] = Feed(conflate=False, bound=9, timeout_s=DEADLINE_S)
    first: Queue[int] = Queue()
    threads = [threading.Thread(target=lambda: first.put(next(iter(feed)).seq)) for _ in range(2)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(feed._changed._waiters) == 2)  # type: ignore[attr-defined]
    feed.put([quote("A", 1), quote("A", 2)])
    assert first.get(timeout=DEADLINE_S) == 1
    feed.put([quote("A", 3), quote("A", 4)])
    assert first.get(timeout=DEADLINE_S) == 2
    for thread in threads:
        thread.join(DEADLINE_S)
    assert [seq for _, seq in taken(feed)] == [3, 4]


def test_close_ends_a_waiting_reader_at_once() -> None:
    feed: Feed[Quote] = Feed(conflate=True, bound=3, timeout_s=None)
    ended = threading.Event()

    def read() -> None:
        assert list(feed) == []
        ended.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert not ended.wait(0.05)
    feed.close()
    assert ended.wait(2)
    reader.join(2)


def test_a_tick_wakes_a_waiting_reader() -> None:
    feed: Feed[Quote] = Feed(conflate=True, bound=3, timeout_s=10)
    got: list[Quote] = []
    reader = threading.Thread(target=lambda: got.append(next(iter(feed))))
    reader.start()
    feed.put([quote("A", 1)])
    reader.join(5)
    assert [tick.seq for tick in got] == [1]


@QUICK
@given(st.lists(st.lists(st.sampled_from("ABC"), max_size=5), max_size=8), st.booleans(), st.integers(1, 6))
def test_nothing_vanishes_uncounted(batches: list[list[str]], conflate: bool, bound: int) -> None:
    feed: Feed[Quote] = Feed(conflate=conflate, bound=bound, timeout_s=None)
    total = 0
    newest: dict[str, int] = {}
    for batch in batches:
        ticks = [quote(symbol, total + offset + 1) for offset, symbol in enumerate(batch)]
        total += len(ticks)
        newest |= {tick.symbol: tick.seq for tick in ticks}
        feed.put(ticks)
    got = taken(feed)
    assert len(got) + feed.conflated + feed.dropped == total
    if conflate:
        assert dict(got) == newest
    else:
        assert [seq for _, seq in got] == list(range(total - len(got) + 1, total + 1))
        assert len(got) <= bound


class Driver:
    """Reads for whoever waits; each of `reads` is what one turn brings: ticks, or None where another took them."""

    def __init__(self, *reads: list[Quote] | None) -> None:
        self.feed: Feed[Quote]
        self.left = list(reads)
        self.waited = 0

    def drive(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        if not self.left:
            return False
        if ticks := self.left.pop(0):
            self.feed.put(ticks)
        return True

    @contextmanager
    def waiting(self) -> Iterator[None]:
        self.waited += 1
        self.feed.put([quote("Z", 9)])
        yield


def test_a_loop_goes_on_where_another_one_over_the_same_feed_was_quicker() -> None:
    driver = Driver([quote("A", 1)], None, None, [quote("A", 2), quote("B", 1)], None)
    driver.feed = feed = Feed(None, driver, conflate=False, bound=10, timeout_s=None)
    reader = iter(feed)
    assert [next(reader).symbol for _ in range(3)] == ["A", "A", "B"]
    assert next(reader).symbol == "Z", "nobody drives any more, so it waits for what another thread puts"
    assert driver.waited == 1


def test_a_driven_loop_ends_after_its_timeout() -> None:
    driver = Driver(*[None] * 1_000_000)
    driver.feed = feed = Feed(None, driver, conflate=False, bound=10, timeout_s=0.05)
    assert list(feed) == []
    assert driver.waited == 0
