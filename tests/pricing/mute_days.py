"""Quiet days against the mute rule: no tick is withheld, so every suspicion is a false one. `make quietdays`.

A day is 24 h of ticks from a model of the market; the real watch sees them as the control thread does, four looks a
second, and its questions are answered from the same ticks without the stream's delay. Then the feed goes mute at 5
quotes/s, and the time until that is proven is measured. Pure: days follow from their seed.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
import statistics
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import Cause, MarketSession, SymbolState
from quotebus.pricing.feed_watch import FeedWatch
from quotebus.pricing.mute import MINUTE_NS
from quotebus.pricing.shared_state import SharedState
from quotebus.pricing.symbols import SymbolTable

LOOK_NS = 250 * NS_PER_MS
LAZY_LOOK_NS = NS_PER_S
"""In a silence of more than a minute, as long as nothing comes: the watch judges no more often then."""
T0 = 1_770_000_000 * NS_PER_S
HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S
PRE_S, OPEN_S, CLOSE_S, POST_END_S = 4 * HOUR_S, 9.5 * HOUR_S, 16 * HOUR_S, 20 * HOUR_S
HALF_DAY_S = 13 * HOUR_S
EXTENDED = 0.05
"""The share of the regular rate before and after the regular session."""
MOST_SUSPICIONS = 2
DETECTED_S = 15.0

Intensity = Callable[[float], float]
"""Ticks per second at a time of day, in seconds."""
Arrivals = Callable[[random.Random, Intensity, float], Iterator[float]]
"""Increasing times of ticks from the intensity and its maximum."""


def poisson(rng: random.Random, intensity: Intensity, most: float) -> Iterator[float]:
    """Independent ticks."""
    at_s = 0.0
    while (at_s := at_s + rng.expovariate(most)) < DAY_S:
        if rng.random() * most < intensity(at_s):
            yield at_s


def hawkes(branching: float, decay_per_s: float) -> Arrivals:
    """Every tick brings `branching` more on average, soon after it: clusters, and long gaps between them."""

    def make(rng: random.Random, intensity: Intensity, most: float) -> Iterator[float]:
        waiting: list[float] = []
        for first_s in poisson(rng, lambda s: intensity(s) * (1 - branching), most * (1 - branching)):
            while waiting and waiting[0] < first_s:
                yield _spawn(rng, waiting)
            heapq.heappush(waiting, first_s)
        while waiting and waiting[0] < DAY_S:
            yield _spawn(rng, waiting)

    def _spawn(rng: random.Random, waiting: list[float]) -> float:
        at_s = heapq.heappop(waiting)
        after_s = 0.0
        while (after_s := after_s + rng.expovariate(1.0)) < branching:  # as many as a Poisson variable says
            heapq.heappush(waiting, at_s + rng.expovariate(decay_per_s))
        return at_s

    return make


def pareto(alpha: float) -> Arrivals:
    """Gaps whose tail falls with a power: now and then one is many times the mean."""

    def make(rng: random.Random, intensity: Intensity, most: float) -> Iterator[float]:
        at_s = 0.0
        while at_s < DAY_S:
            rate = intensity(at_s)
            if rate <= 0:
                at_s += 1.0
                continue
            at_s += rng.paretovariate(alpha) * (alpha - 1) / alpha / rate
            if at_s < DAY_S and intensity(at_s) > 0:
                yield at_s

    return make


def session(rate: float, *, close_s: float = CLOSE_S, post_end_s: float = POST_END_S, lull: float = 0.3) -> Intensity:
    """A day at so many ticks per second in its middle, busier at both ends, with a lull at lunch."""

    def intensity(at_s: float) -> float:
        if OPEN_S <= at_s < close_s:
            lunch = 12 * HOUR_S <= at_s < 13.5 * HOUR_S
            edge = min(at_s - OPEN_S, close_s - at_s) < HOUR_S / 2
            return rate * (lull if lunch else 2.0 if edge else 1.0)
        return rate * EXTENDED if PRE_S <= at_s < OPEN_S or close_s <= at_s < post_end_s else 0.0

    return intensity


@dataclass(frozen=True)
class Day:
    """One kind of day. `halts`: from and to, in seconds; `told`: statuses say so. `lunch`: its share of the rate."""

    name: str
    arrivals: Arrivals
    rate: float
    symbols: int = 10
    close_s: float = CLOSE_S
    post_end_s: float = POST_END_S
    halts: tuple[tuple[float, float], ...] = ()
    lunch: float = 0.3
    told: bool = True

    def is_halted(self, at_s: float) -> bool:
        """Whether the whole market is halted at this time of day."""
        return any(from_s <= at_s < until_s for from_s, until_s in self.halts)


THREE_HALTS = tuple((hour * HOUR_S, (hour + 0.25) * HOUR_S) for hour in (10.0, 11.0, 14.0))
DAYS = (
    Day("independent ticks", poisson, 5.0),
    Day("Hawkes 0.7", hawkes(0.7, 1.0), 5.0),
    Day("Hawkes 0.9", hawkes(0.9, 1.0), 5.0),
    Day("Hawkes 0.9, sudden bursts", hawkes(0.9, 10.0), 5.0),
    Day("Pareto gaps", pareto(2.5), 5.0),
    Day("Pareto gaps, heavy tail", pareto(1.8), 5.0),
    Day("one slow symbol", poisson, 0.05, symbols=1),
    Day("one slow symbol, Hawkes 0.9", hawkes(0.9, 1.0), 0.05, symbols=1),
    Day("one slow symbol, Pareto gaps", pareto(2.5), 0.05, symbols=1),
    Day("one slow symbol, heavy tail", pareto(1.8), 0.05, symbols=1),
    Day("market-wide halt", hawkes(0.7, 1.0), 5.0, halts=((11 * HOUR_S, 11.25 * HOUR_S),)),
    Day("market-wide halt, no statuses", hawkes(0.7, 1.0), 5.0, halts=((11 * HOUR_S, 11.25 * HOUR_S),), told=False),
    Day("three market-wide halts, no statuses", pareto(2.5), 5.0, halts=THREE_HALTS, told=False),
    Day("half day", hawkes(0.7, 1.0), 5.0, close_s=HALF_DAY_S, post_end_s=HALF_DAY_S),
    Day("deep lunch lull", hawkes(0.7, 1.0), 5.0, lunch=0.02),
    Day("deep lunch lull, Pareto gaps", pareto(2.5), 5.0, lunch=0.02),
)


@dataclass
class Outcome:
    """What a day brought; `detected_s` is how long after going mute that was proven, None if it was not."""

    suspicions: int = 0
    proofs: int = 0
    asked: int = 0
    silent_s: float = 0.0
    detected_s: float | None = None
    when: list[float] = field(default_factory=list)


class Market:
    """A watch, and a market that it looks at through a stream with a delay, and through the venue's REST."""

    def __init__(self, symbols: int, rng: random.Random) -> None:
        self.session = MarketSession.UNKNOWN
        self.shared = SharedState()
        self.counters = {"quotes": 0}
        self.shared.counters = self.counters
        self.table = SymbolTable(lambda _: None)
        self.names = [f"S{number}" for number in range(symbols)]
        self.outcome = Outcome()
        self._rng = rng
        self._question: tuple[int, int, tuple[str, ...]] | None = None
        self.watch = FeedWatch(self.shared, self.table, self._ask)
        self.now_ns = T0
        for name in self.names:
            self.shared.want(name)
            self.table.add(name, T0)
        self.watch.begin(T0)

    def _ask(self, symbols: tuple[str, ...], number: int) -> None:
        self.outcome.asked += 1
        self._question = (self.now_ns + int(self._rng.uniform(0.05, 1.0) * NS_PER_S), number, symbols)

    def tick(self, symbol: str, exchange_ns: int) -> None:
        """It came through the stream."""
        slot = self.shared.slots[symbol]
        slot.quote_seq += 1
        slot.exchange_ns = exchange_ns
        self.counters["quotes"] += 1

    def look(self, newest_ns: Callable[[str, int], int | None], after_ns: int) -> None:
        """The control thread's turn, so long after the last one."""
        if self._question is not None and self.now_ns >= self._question[0]:
            at_ns, number, symbols = self._question
            self._question = None
            found = {symbol: ns for symbol in symbols if (ns := newest_ns(symbol, at_ns)) is not None}
            self.watch.on_venue(number, found, self.now_ns)
        before = self.watch.suspicions
        self.watch.on_time(self.now_ns, self.session)
        if self.watch.suspicions > before:
            self.outcome.when.append((self.now_ns - T0) / NS_PER_S)
        self.outcome.silent_s += self.watch.is_silent * after_ns / NS_PER_S

    def finish(self) -> Outcome:
        self.outcome.suspicions, self.outcome.proofs = self.watch.suspicions, self.watch.proofs
        return self.outcome


@lru_cache(maxsize=4)
def make_ticks(day: Day, seed: int) -> dict[str, list[int]]:
    """The exchange times of each symbol's ticks; of ten symbols the first makes a third of all."""
    rng = random.Random(f"{day.name}/{seed}")
    whole = session(day.rate, close_s=day.close_s, post_end_s=day.post_end_s, lull=day.lunch)

    def intensity(at_s: float) -> float:
        return 0.0 if day.is_halted(at_s) else whole(at_s)

    ticks: dict[str, list[int]] = {f"S{number}": [] for number in range(day.symbols)}
    names = list(ticks)
    weights = [1 / (1 + number) for number in range(day.symbols)]
    for at_s in day.arrivals(rng, intensity, 2 * day.rate):
        if not day.is_halted(at_s):
            ticks[rng.choices(names, weights)[0]].append(T0 + int(at_s * NS_PER_S))
    return ticks


def name_session(day: Day, at_s: float) -> MarketSession:
    """What a calendar says of a time of day."""
    if OPEN_S <= at_s < day.close_s:
        return MarketSession.REGULAR
    if PRE_S <= at_s < OPEN_S:
        return MarketSession.PRE
    return MarketSession.POST if day.close_s <= at_s < day.post_end_s else MarketSession.CLOSED


def live(
    day: Day,
    seed: int,
    *,
    known: bool = False,
    mute_at_s: float | None = None,
    from_s: float = 0.0,
    until_s: float = DAY_S,
) -> Outcome:
    """One day, or a part of it; from `mute_at_s` on the stream brings nothing. `known`: the watch knows the session."""
    rng = random.Random(f"{day.name}/{seed}/stream")
    market = Market(day.symbols, rng)
    ticks = make_ticks(day, seed)
    arriving = sorted(
        (at_ns + int((0.02 + rng.expovariate(20)) * NS_PER_S), symbol, at_ns)
        for symbol, times in ticks.items()
        for at_ns in times[bisect_left(times, T0 + int(from_s * NS_PER_S)) :]
    )
    mute_ns = T0 + int((DAY_S * 2 if mute_at_s is None else mute_at_s) * NS_PER_S)

    def newest_ns(symbol: str, at_ns: int) -> int | None:
        found = bisect_right(ticks[symbol], at_ns)
        return ticks[symbol][found - 1] if found else None

    position, halted = 0, False
    market.now_ns = T0 + int(from_s * NS_PER_S)
    market.watch.begin(market.now_ns)
    end_ns = T0 + int(until_s * NS_PER_S)
    while market.now_ns < end_ns:
        last_ns, next_ns = (arriving[at][0] if 0 <= at < len(arriving) else end_ns for at in (position - 1, position))
        lazy = market.now_ns - last_ns > MINUTE_NS and next_ns - market.now_ns > LAZY_LOOK_NS
        after_ns = LAZY_LOOK_NS if lazy else LOOK_NS
        market.now_ns += after_ns
        while position < len(arriving) and arriving[position][0] <= market.now_ns:
            arrived_ns, symbol, at_ns = arriving[position]
            position += 1
            if arrived_ns < mute_ns:
                market.tick(symbol, at_ns)
                if market.table.state(symbol) is SymbolState.PENDING:
                    market.table.move(symbol, SymbolState.LIVE, Cause.DEMAND, market.now_ns)
        if day.told and halted != day.is_halted((market.now_ns - T0) / NS_PER_S):
            halted = not halted
            for name in market.names:
                state, cause = (SymbolState.HALTED, Cause.HALT) if halted else (SymbolState.PENDING, Cause.RESUME)
                market.table.move(name, state, cause, market.now_ns)
        if known:
            market.session = name_session(day, (market.now_ns - T0) / NS_PER_S)
        market.look(newest_ns, after_ns)
        if market.now_ns > mute_ns and market.watch.is_mute:
            market.outcome.detected_s = (market.now_ns - mute_ns) / NS_PER_S
            break
    return market.finish()


def _measure(day: Day, seed: int) -> float:
    """Seconds until a feed that goes mute late in the morning is proven so; infinite when it is not within an hour."""
    mute_at_s = 11 * HOUR_S + 7 * seed
    outcome = live(day, seed, known=True, from_s=10 * HOUR_S, mute_at_s=mute_at_s, until_s=12 * HOUR_S)
    return math.inf if outcome.detected_s is None else outcome.detected_s


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=20, help="of each kind")
    parser.add_argument("--only", default="", help="kinds whose name holds this")
    arguments = parser.parse_args()
    failed = False
    print("Suspicions where sessions are known, and where they are not and the end of one looks like a mute feed.")
    print(f"{'kind of day':36} days  known: all, most   unknown: all, most  questions  redials  proven: median, most s")
    for day in (day for day in DAYS if arguments.only in day.name):
        days: dict[bool, list[Outcome]] = {True: [], False: []}
        found = []
        for seed in range(arguments.days):
            for known, outcomes in days.items():
                outcomes.append(live(day, seed, known=known))
            if not day.halts:
                found.append(_measure(day, seed))
        shown = f"{statistics.median(found):.1f}, {max(found):.1f}" if found else "-"
        most = {known: max(one.suspicions for one in outcomes) for known, outcomes in days.items()}
        total = {known: sum(one.suspicions for one in outcomes) for known, outcomes in days.items()}
        proofs = sum(one.proofs for outcomes in days.values() for one in outcomes)
        asked = sum(one.asked for outcomes in days.values() for one in outcomes)
        print(
            f"{day.name:36} {arguments.days:4} {total[True]:11}, {most[True]:4} {total[False]:14}, {most[False]:4} "
            f"{asked:10} {proofs:8} {shown:>28}",
            flush=True,
        )
        failed |= proofs > 0 or max(most.values()) > MOST_SUSPICIONS
    return failed


if __name__ == "__main__":
    sys.exit(main())
