"""Days of quotes against the rule for jumps: honest ones, and with planted stubs, spikes and gaps. `make levels`.

Every day follows from its seed. Each quote is judged as on the hot path, and a doubted one is believed when its time
has come. With `--quotes FILE` a recorded day is judged as well: a CSV file with the columns `utc_ns,bid,ask`, in order
of time; `--trades FILE` has `utc_ns,price`, of trades that may set the last price. A jump flag of a recorded quote is
false when its mid is near the median of the 25 quotes before it and the 25 behind it. Pure but for these two files.
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import Flag
from quotebus.pricing.level import JUMP, STOOD_NS, Level
from quotebus.pricing.quality import judge

T0 = 1_770_000_000 * NS_PER_S
DAY_S = 23_400
MOST_FALSE = 1
AROUND = 25
SUSPICIOUS = int(Flag.SUSPICIOUS)


class Print(NamedTuple):
    """A quote; 0 where a side is missing. `planted` says what it is: nothing when honest."""

    at_ns: int
    bid: float
    ask: float
    planted: str = ""


@dataclass(frozen=True)
class Symbol:
    """What is traded: name, first price, quotes a second, the usual spread, and how far the mid wanders in a day."""

    name: str
    price: float
    rate: float
    spread: float
    wander: float


SYMBOLS = (
    Symbol("BUSY", 480.0, 4.0, 0.01, 0.02),
    Symbol("PLAIN", 35.0, 0.5, 0.03, 0.05),
    Symbol("WILD", 7.0, 1.0, 0.05, 0.60),
    Symbol("THIN", 120.0, 0.01, 1.50, 0.04),
    Symbol("PENNY", 0.06, 0.2, 0.004, 0.30),
    Symbol("SUBDOLLAR", 0.80, 0.3, 0.002, 0.15),
    Symbol("COIN/USD", 0.00002, 2.0, 0.0000001, 0.10),
)


def make_day(symbol: Symbol, rng: random.Random) -> Iterator[Print]:
    """An honest day: a walk of the mid on ticks, and now and then a side that is missing."""
    tick = 0.0 if "/" in symbol.name else 0.01 if symbol.price >= 1 else 0.0001
    at_s, mid = 0.0, symbol.price
    while (step_s := rng.expovariate(symbol.rate)) + at_s < DAY_S:
        at_s += step_s
        mid *= 1 + rng.gauss(0, symbol.wander * min(1.0, step_s / DAY_S) ** 0.5)
        spread = symbol.spread * rng.uniform(0.5, 2.0)
        bid, ask = mid - spread / 2, mid + spread / 2
        if tick:
            bid = max(tick, round(bid / tick) * tick)
            ask = max(bid + tick, round(ask / tick) * tick)
        odd = rng.random()
        yield Print(T0 + int(at_s * NS_PER_S), 0.0 if odd < 0.002 else bid, 0.0 if odd > 0.998 else ask)


def plant(day: Sequence[Print], symbol: Symbol, rng: random.Random) -> Iterator[Print]:
    """The same day with defects between its quotes, which are each gone within a moment, and one real gap."""
    gap_at = rng.randrange(len(day) // 4, len(day) // 2)
    factor = 1.0
    few = 0.011 if "/" not in symbol.name else 0.0
    for number, quote in enumerate(day):
        if number == gap_at:
            factor = rng.choice([1.25, 1.4, 2.5, 0.75, 0.5]) if symbol.price > 0.1 or "/" in symbol.name else 2.5
        bid, ask = quote.bid * factor, quote.ask * factor
        if quote.bid > 0 and quote.ask > 0:
            ask = bid + quote.ask - quote.bid  # a gap makes no spread wider
        quiet = number < gap_at or number > gap_at + 50
        whole = quote.bid > 0 and quote.ask > 0 and (ask - bid <= 0.1 * ask or ask - bid <= few)
        yield Print(quote.at_ns, bid, ask, "gap" if number >= gap_at and not quiet else "")
        if quiet and whole and rng.random() < 0.02 and max(ask, bid) * JUMP > 2 * few:
            kind = rng.choice(["stub", "spike", "two spikes", "missing", "crossed"])
            for place in range(2 if kind == "two spikes" else 1):
                at_ns = quote.at_ns + (1 + place) * NS_PER_MS
                if kind == "stub":
                    yield Print(at_ns, *rng.choice([(bid, ask * 2), (bid / 100, ask), (bid / 50, ask * 20)]), kind)
                elif kind == "missing":
                    yield Print(at_ns, 0.0, ask, kind)
                elif kind == "crossed":
                    yield Print(at_ns, ask * 1.01, bid, kind)
                else:
                    by = rng.choice([1.5, 3.0, 10.0, 0.6, 0.1])
                    yield Print(at_ns, bid * by, ask * by, kind)
            yield Print(quote.at_ns + 3 * NS_PER_MS, bid, ask, "behind")


class Judged(NamedTuple):
    """A print and its flags; `believed_ns`: when a doubted quote was believed by standing, None while it was not."""

    quote: Print
    flags: int
    believed_ns: int | None = None


def judge_all(name: str, prints: Iterable[Print], trades: Iterable[tuple[int, float]] = ()) -> list[Judged]:
    """Judge quotes in order, with the trades in between, and let time pass."""
    level, found = Level(name), list[Judged]()
    waiting = iter(trades)
    trade = next(waiting, None)
    for quote in prints:
        while trade is not None and trade[0] <= quote.at_ns:
            level.on_trade(trade[1], trade[0])
            trade = next(waiting, None)
        due_ns = level.due_ns()
        if due_ns is not None and due_ns <= quote.at_ns and level.on_time(due_ns):
            found[-1] = found[-1]._replace(believed_ns=due_ns)
        sides = judge(quote.bid, 1.0, quote.ask, 1.0, name, quote.at_ns)
        assert sides is not None
        found.append(Judged(quote, level.judge(sides, quote.at_ns, quote.at_ns)[4]))
    return found


def count_wrong(judged: Sequence[Judged]) -> tuple[Counter[str], list[float]]:
    """What was planted and misjudged, by kind, and after how many seconds each gap's price was usable."""
    wrong, usable_s = Counter[str](), list[float]()
    began_ns: int | None = None
    for quote, flags, believed_ns in judged:
        clean = flags == 0
        if quote.planted == "gap":
            if began_ns is None and quote.bid > 0 and quote.ask > 0:
                began_ns = quote.at_ns
            if began_ns and not usable_s and (clean or believed_ns is not None):
                usable_s.append(((believed_ns or quote.at_ns) - began_ns) / NS_PER_S)
            elif usable_s and flags & SUSPICIOUS:
                wrong["after a gap"] += 1
        elif quote.planted in ("stub", "spike", "two spikes", "missing", "crossed"):
            wrong[quote.planted] += clean
        elif flags & SUSPICIOUS:
            wrong[quote.planted or "honest"] += 1
    return wrong, usable_s


def is_false(judged: Sequence[Judged], number: int) -> bool:
    """Whether a flagged quote of a recorded day agrees with those around it."""
    around = [
        quote.bid + quote.ask
        for quote, _, _ in (*judged[max(0, number - AROUND) : number], *judged[number + 1 : number + 1 + AROUND])
        if quote.bid > 0 and quote.ask > 0
    ]
    if not around:
        return False
    usual, this = statistics.median(around), judged[number].quote.bid + judged[number].quote.ask
    return abs(this - usual) <= JUMP * usual


def find_jumps(judged: Sequence[Judged]) -> list[int]:
    """The places of quotes that are suspicious and not for their spread."""
    return [
        number
        for number, (quote, flags, _) in enumerate(judged)
        if flags & SUSPICIOUS and quote.ask - quote.bid <= 0.1 * quote.ask
    ]


def judge_by_last_mid(name: str, prints: Sequence[Print]) -> list[Judged]:
    """The rule that this one replaces, for comparison: any last mid is the measure of the next."""
    found, last = list[Judged](), 0.0
    for quote in prints:
        sides = judge(quote.bid, 1.0, quote.ask, 1.0, name, quote.at_ns)
        assert sides is not None
        jumped = not sides[4] and last and not (1 - JUMP) * last <= sides[5] <= (1 + JUMP) * last
        found.append(Judged(quote, sides[4] | SUSPICIOUS * bool(jumped)))
        last = sides[5]
    return found


def read_quotes(path: Path) -> list[Print]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [Print(int(row["utc_ns"]), float(row["bid"]), float(row["ask"])) for row in rows]


def read_trades(path: Path) -> list[tuple[int, float]]:
    with path.open(newline="") as file:
        return [(int(row["utc_ns"]), float(row["price"])) for row in csv.DictReader(file)]


def sweep(days: int, first_seed: int = 0) -> tuple[int, Counter[str], Counter[str], list[float]]:
    """Quotes judged, what was planted, what was misjudged, and the seconds after each gap."""
    count, planted, wrong, usable_s = 0, Counter[str](), Counter[str](), list[float]()
    for seed in range(first_seed, first_seed + days):
        for symbol in SYMBOLS:
            rng = random.Random(f"{seed} {symbol.name}")
            honest = list(make_day(symbol, rng))
            count += len(honest)
            wrong.update(count_wrong(judge_all(symbol.name, honest))[0])
            if len(honest) < 100:
                continue
            spoilt = list(plant(honest, symbol, rng))
            planted.update(quote.planted for quote in spoilt if quote.planted not in ("", "gap"))
            misjudged, seconds = count_wrong(judge_all(symbol.name, spoilt))
            planted["gap"] += 1
            wrong["gap never believed"] += not seconds
            wrong.update(misjudged)
            usable_s += seconds
            count += len(spoilt)
    return count, planted, +wrong, usable_s


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--quotes", type=Path)
    parser.add_argument("--trades", type=Path)
    arguments = parser.parse_args()
    count, planted, wrong, usable_s = sweep(arguments.days)
    print(f"{count:,} quotes of {arguments.days} days; planted: {', '.join(f'{n} {k}' for k, n in planted.items())}")
    print(f"misjudged: {dict(wrong) or 'none'}; usable after a gap: {max(usable_s):.3f} s at most")
    bad = bool(wrong) or max(usable_s) > STOOD_NS / NS_PER_S
    if arguments.quotes:
        prints = read_quotes(arguments.quotes)
        trades = read_trades(arguments.trades) if arguments.trades else []
        for rule, judged in (
            ("the last mid", judge_by_last_mid("XXX", prints)),
            ("the level", judge_all("XXX", prints)),
            *([("the level, with trades", judge_all("XXX", prints, trades))] if trades else []),
        ):
            jumps = find_jumps(judged)
            false = sum(is_false(judged, number) for number in jumps)
            print(f"{len(prints):,} recorded quotes against {rule}: {len(jumps)} jump flags, {false} of them false")
            bad |= rule != "the last mid" and false > MOST_FALSE
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
