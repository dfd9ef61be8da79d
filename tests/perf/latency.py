"""Latency beside alpaca-py, in the same run: `python -m tests.perf.latency --rounds 5`.

From the source's sending of a quote to its being a typed quote in the consumer: ours through a real node and a real
broker, theirs into alpaca-py's `StockDataStream`, direct. Evenly paced quotes, one a frame; rounds alternate; medians
and ratios.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from quotebus import BusClient
from tests.perf.figures import progress, quantile
from tests.perf.source import SYMBOLS
from tests.perf.throughput import ROOT, source
from tests.support.world import World

WARM_UP = 0.2
"""Share of the quotes at the beginning that is not counted."""


def ours(quotes: int, rate: float) -> list[float]:
    """Milliseconds from sending to typed quote, of each quote in order."""
    with tempfile.TemporaryDirectory() as folder, source(quotes, 1, rate) as url:
        world = World(Path(folder))
        try:
            world.environment["PRICING_UPSTREAM_URL"] = url
            world.broker()
            world.node()
            with BusClient(world.settings(), name="latency") as bus:
                feed = bus.quotes(conflate=False, bound=2 * quotes, timeout_s=5)
                bus.request(SYMBOLS)
                taken: list[float] = []
                for quote in feed:
                    taken.append((time.time_ns() - quote.exchange_ns) / 1e6)
                    if len(taken) >= quotes:
                        break
                return taken
        finally:
            world.close()


def theirs(quotes: int, rate: float) -> list[float]:
    """alpaca-py's."""
    with source(quotes, 1, rate) as url:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "tests.perf.peer", url, str(quotes), "latency"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return [float(word) for word in done.stdout.splitlines()[-1].split()]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make latency", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {options.rounds} rounds, interleaved; in ms")
    print(f"{'quotes/s':>9} {'':>4} {'alpaca-py direct':>17} {'quotebus':>10} {'ratio':>6}   lost")
    for rate in (2_000, 20_000):
        quotes = int(rate * options.seconds)
        figures: dict[tuple[str, float], list[float]] = {}
        lost = 0
        for number in range(options.rounds):
            progress(f"round {number + 1} of {options.rounds} at {rate} quotes/s")
            us = ours(quotes, rate)
            lost += quotes - len(us)
            for who, taken in (("theirs", theirs(quotes, rate)), ("ours", us)):
                for share in (0.5, 0.99):
                    figures.setdefault((who, share), []).append(quantile(taken[int(WARM_UP * len(taken)) :], share))
        progress("")
        for share, label in ((0.5, "p50"), (0.99, "p99")):
            direct, bus = (statistics.median(figures[who, share]) for who in ("theirs", "ours"))
            print(f"{rate:>9,} {label:>4} {direct:>17.3f} {bus:>10.3f} {bus / direct:>6.2f}   {lost}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
