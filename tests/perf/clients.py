"""`AsyncBusClient` beside `BusClient` in the same run: `python -m tests.perf.clients --rounds 5`.

Prepared frames through a real node and broker to each client in turn: quotes per second unpaced, latency from the
upstream's sending to the reader's loop at a given rate, and how long one `assess` takes meanwhile. Rounds alternate;
the medians and their ratio are what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from quotebus import AsyncBusClient, BusClient, BusSettings
from tests.perf.source import SYMBOLS
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[2]


class Tally:
    """What one reader saw. `take` is called in its loop, for each quote."""

    def __init__(self, quotes: int, judge_every: int) -> None:
        self.quotes = quotes
        self.judge_every = judge_every
        self.received = 0
        self.began = self.ended = 0.0
        self.delays_us: list[float] = []
        self.judging_us: list[float] = []

    def take(self, quote, bus) -> bool:  # type: ignore[no-untyped-def]
        """True when all have come."""
        if not self.received:
            self.began = time.perf_counter()
        self.received += 1
        if self.judge_every:
            self.delays_us.append((time.time_ns() - quote.exchange_ns) / 1e3)
            if self.received % self.judge_every == 0:
                before = time.perf_counter()
                bus.assess(quote.symbol)
                self.judging_us.append((time.perf_counter() - before) * 1e6)
        self.ended = time.perf_counter()
        return self.received >= self.quotes


def read(settings: BusSettings, tally: Tally) -> int:
    with BusClient(settings, name="bench") as bus:
        feed = bus.quotes(conflate=False, bound=2 * tally.quotes, timeout_s=5)
        bus.request(SYMBOLS)
        for quote in feed:
            if tally.take(quote, bus):
                break
        return bus.counters["lost"]


def read_async(settings: BusSettings, tally: Tally) -> int:
    async def main() -> int:
        async with AsyncBusClient(settings, name="bench") as bus:
            feed = bus.quotes(conflate=False, bound=2 * tally.quotes, timeout_s=5)
            await bus.request(SYMBOLS)
            async for quote in feed:
                if tally.take(quote, bus):
                    break
            return bus.counters["lost"]

    return asyncio.run(main())


def measure(reader, quotes: int, rate: int) -> tuple[Tally, int]:  # type: ignore[no-untyped-def]
    command = [sys.executable, "-m", "tests.perf.source", str(quotes), "1", *([str(rate)] if rate else [])]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
    ):
        world = World(Path(folder))
        try:
            assert process.stdout is not None
            world.environment["PRICING_UPSTREAM_URL"] = process.stdout.readline().strip()
            world.broker()
            world.node()
            tally = Tally(quotes, judge_every=20 if rate else 0)
            return tally, reader(world.settings(), tally)
        finally:
            world.close()
            process.kill()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.perf.clients", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quotes", type=int, default=200_000, help="unpaced, per round and client")
    options = parser.parse_args()
    readers = {"BusClient": read, "AsyncBusClient": read_async}
    figures: dict[tuple[str, str], list[float]] = {}
    lost = incomplete = 0
    for _ in range(options.rounds):
        for rate in (0, 2_000, 20_000):
            for name, reader in readers.items():
                tally, gone = measure(reader, 3 * rate or options.quotes, rate)
                lost += gone
                if tally.received < tally.quotes:
                    incomplete += 1  # the line broke on the way: no figure
                    continue
                if not rate:
                    figures.setdefault(("quotes/s", name), []).append(tally.received / (tally.ended - tally.began))
                    continue
                cuts = statistics.quantiles(tally.delays_us, n=100)
                for what, value in (
                    ("latency p50, µs", cuts[49]),
                    ("latency p99, µs", cuts[98]),
                    ("assess median, µs", statistics.median(tally.judging_us)),
                ):
                    figures.setdefault((f"{what}, at {rate}/s", name), []).append(value)
    print(f"{options.rounds} rounds, interleaved; lost {lost}, incomplete and left out {incomplete}")
    print(f"{'':<32} {'BusClient':>12} {'AsyncBusClient':>15} {'ratio':>6}")
    for what in dict.fromkeys(what for what, _ in figures):
        if len(both := [statistics.median(figures[what, name]) for name in readers if (what, name) in figures]) < 2:
            continue
        ours, theirs = both
        print(f"{what:<32} {ours:>12,.0f} {theirs:>15,.0f} {theirs / ours:>6.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
