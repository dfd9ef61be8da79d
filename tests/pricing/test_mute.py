"""When a silence is suspicious: the four bounds, what is learned from, and what is not counted."""

from __future__ import annotations

import random

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import MarketSession
from quotebus.pricing.mute import COUNTED_PER_LOOK, HOUR_NS, Largest, Silence, SilenceWatch, TickRates
from quotebus.pricing.shared_state import Slot

T0 = 1_770_000_000 * NS_PER_S
LOOK_NS = NS_PER_S // 4


class Feed:
    """Symbols that tick at their rates; time passes in looks."""

    def __init__(self, seed: int = 1, **rates: float) -> None:
        self.slots = {name: Slot(name) for name in rates}
        self.rates = dict(rates)
        self.watch = SilenceWatch(self.slots)
        self.now_ns = T0
        self.ticks = 0
        self._rng = random.Random(seed)
        self.watch.begin(0, T0)

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds * NS_PER_S / LOOK_NS)):
            self.now_ns += LOOK_NS
            for name, rate in self.rates.items():
                whole, part = divmod(rate * LOOK_NS / NS_PER_S, 1)
                for _ in range(int(whole) + (self._rng.random() < part)):
                    self.tick(name)
            self.watch.look(self.ticks, self.now_ns)

    def tick(self, name: str) -> None:
        self.slots[name].quote_seq += 1
        self.ticks += 1

    def mute(self) -> None:
        self.rates = dict.fromkeys(self.rates, 0.0)

    def until_suspicious(self, *but: str, most_s: float = 4_000) -> float | None:
        """Seconds of silence until it is suspicious; `but` are halted."""
        countable = [name for name in self.slots if name not in but]
        began_ns = self.now_ns
        while self.now_ns - began_ns < most_s * NS_PER_S:
            self.run(0.25)
            if self.watch.judge(countable, self.now_ns) is Silence.SUSPICIOUS:
                return self.watch.silence_ns(self.now_ns) / NS_PER_S
        return None


def regular(seconds: float, every_s: float, names: str = "A") -> Feed:
    """Ticks at even times, so that the longest gap is known."""
    feed = Feed(**dict.fromkeys(names, 0.0))
    for _ in range(int(seconds / every_s)):
        feed.run(every_s)
        for name in names:
            feed.tick(name)
    feed.run(0.25)
    return feed


def test_a_busy_feed_is_suspicious_after_5_s() -> None:
    silent_s = regular(120, 0.25).until_suspicious()
    assert silent_s is not None
    assert 5 < silent_s <= 5.5


def test_a_slow_feed_is_given_20_7_mean_gaps() -> None:
    silent_s = regular(3_000, 10).until_suspicious()
    assert silent_s is not None
    assert 190 < silent_s < 225


def test_three_times_the_longest_gap_of_the_last_hour_and_not_of_the_hour_before() -> None:
    feed = regular(120, 0.25)
    feed.run(4)
    feed.tick("A")
    for _ in range(480):
        feed.run(0.25)
        feed.tick("A")
    silent_s = feed.until_suspicious()
    assert silent_s is not None
    assert 12 < silent_s < 13.5
    later = regular(120, 0.25)
    later.run(4)
    for _ in range(4 * 3_700):
        later.tick("A")
        later.run(0.25)
    silent_s = later.until_suspicious()
    assert silent_s is not None
    assert silent_s <= 5.5


def test_the_rate_is_common_and_halted_symbols_are_not_in_it() -> None:
    feed = Feed(FAST=4.0, SLOW=0.1)
    feed.run(1_200)
    feed.mute()
    feed.run(20)
    assert feed.watch.judge(["FAST", "SLOW"], feed.now_ns) is Silence.SUSPICIOUS
    assert feed.watch.judge(["SLOW"], feed.now_ns) is Silence.ORDINARY, (
        "FAST is halted: SLOW alone may be silent for minutes"
    )
    assert feed.watch.judge([], feed.now_ns) is Silence.ORDINARY


def test_what_never_ticked_is_never_suspicious() -> None:
    feed = Feed(A=0.0)
    assert feed.until_suspicious() is None


def test_the_first_ticks_after_a_subscription_are_no_rate() -> None:
    feed = Feed(**dict.fromkeys("ABCDEFGHIJ", 0.0))
    for name in "ABCDEFGHIJ":
        feed.tick(name)
    feed.run(12)
    assert feed.until_suspicious() is None


def test_a_silence_that_the_venue_confirms_raises_the_bound() -> None:
    feed = regular(120, 0.25)
    assert feed.until_suspicious() is not None
    feed.watch.confirm(feed.now_ns)
    for _ in range(4 * 3_700):
        feed.tick("A")
        feed.run(0.25)
    silent_s = feed.until_suspicious()
    assert silent_s is not None
    assert 14 < silent_s < 20


def test_a_night_is_no_gap_to_learn_from() -> None:
    feed = regular(120, 0.25)
    assert feed.until_suspicious() is not None
    feed.run(8 * 3_600)
    for _ in range(480):
        feed.tick("A")
        feed.run(0.25)
    silent_s = feed.until_suspicious()
    assert silent_s is not None
    assert silent_s < 40


def test_a_new_connection_that_brings_nothing_is_judged_by_what_was_before() -> None:
    feed = regular(120, 0.25)
    feed.watch.end()
    feed.run(60)
    assert feed.watch.judge(["A"], feed.now_ns) is Silence.ORDINARY
    feed.watch.begin(feed.ticks, feed.now_ns)
    silent_s = feed.until_suspicious()
    assert silent_s is not None
    assert 5 < silent_s <= 6.5, "a minute without a connection is no gap"


def test_no_silence_is_suspicious_while_the_market_is_closed_and_each_session_learns_anew() -> None:
    feed = regular(120, 0.25)
    feed.watch.enter(MarketSession.CLOSED, feed.now_ns)
    assert feed.until_suspicious(most_s=3_600) is None
    feed.watch.enter(MarketSession.POST, feed.now_ns)
    assert feed.until_suspicious(most_s=3_600) is None, "nothing is known of this session yet"


@pytest.mark.parametrize("count", [1, 400, 1_700])
def test_memory_is_bounded_by_the_slots_and_a_look_by_a_number_of_symbols(count: int) -> None:
    slots = {f"S{number}": Slot(f"S{number}") for number in range(count)}
    for slot in slots.values():
        slot.quote_seq = 1
    rates = TickRates()
    now_ns = T0
    for _ in range(25):
        now_ns += NS_PER_S
        known = len(rates._rates)
        rates.update(slots, now_ns)
        assert len(rates._rates) - known <= COUNTED_PER_LOOK
    assert len(rates._rates) == count
    for name in list(slots)[: count // 2]:
        del slots[name]
    for _ in range(40):
        now_ns += NS_PER_S
        rates.update(slots, now_ns)
    assert rates._rates.keys() == slots.keys()


def test_the_largest_of_the_last_hour_takes_no_more_than_a_number_a_minute() -> None:
    largest, rng = Largest(1), random.Random(1)
    told: list[tuple[int, float]] = []
    for second in range(0, 3 * 3_600, 7):
        now_ns = T0 + second * NS_PER_S
        told.append((now_ns, rng.paretovariate(1.2)))
        largest.note(told[-1][1], now_ns)
        expected = [value for at_ns, value in told if at_ns >= now_ns - HOUR_NS]
        assert largest.get(now_ns) >= max(expected)
        assert largest.get(now_ns) <= max(value for at_ns, value in told if at_ns >= now_ns - HOUR_NS - 60 * NS_PER_S)
        assert len(largest._largest) <= 61
