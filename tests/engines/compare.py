"""The whole pipeline over each engine, in interleaved rounds: exchange, node, server or broker, client.

Ratios are to `ipc://`, of each round to its own, and their medians count: `ipc` uses a broker of ours and no network.
"""

from __future__ import annotations

import math
import statistics

from tests.perf.contenders import ENGINES, Load, Measured
from tests.perf.figures import quantile
from tests.perf.rounds import cpu_us, lost, rate, run_rounds, spell, warm_ms

LEAST_RATE = {"nats": 1.0, "nats-tls": 0.75}
MOST_LATENCY = {"nats": 1.0, "nats-tls": 1.5}
"""At 2,000 and 20,000 quotes/s, p50."""


def _p50_ms(measured: Measured) -> float:
    return quantile(warm_ms(measured), 0.5)


def _rest(each: list[Measured]) -> str:
    return f"lost {lost(each)}  CPU a quote, µs: {spell(cpu_us(each))}"


def _spell_bound(word: str, bound: float | None) -> str:
    return "" if bound is None else f" ({word} {bound})"


def run(rounds: int, quotes: int, seconds: float) -> bool:
    """Print the tables; whether all is within its bounds."""
    within = True
    for per_frame in (1, 10):
        measured = run_rounds(Load(quotes, per_frame), rounds, f"{per_frame} a frame", tuple(ENGINES))
        for name, each in measured.items():
            ratio = statistics.median(one.rate / base.rate for one, base in zip(each, measured["ipc"], strict=True))
            within = within and ratio >= LEAST_RATE.get(name, 0) and not lost(each)
            bound = f"{ratio:>6.2f} x ipc{_spell_bound('at least', LEAST_RATE.get(name))}"
            print(f"{per_frame:>3} a frame  {name:9}{rate(each):>10,.0f}/s {bound}  {_rest(each)}", flush=True)
    for per_second in (2_000, 20_000):
        load = Load(int(per_second * seconds), 1, float(per_second))
        measured = run_rounds(load, rounds, f"{per_second:,} quotes/s", tuple(ENGINES))
        for name, each in measured.items():
            p50 = statistics.median(map(_p50_ms, each))
            ratio = statistics.median(
                _p50_ms(one) / _p50_ms(base) for one, base in zip(each, measured["ipc"], strict=True)
            )
            within = within and ratio <= MOST_LATENCY.get(name, math.inf)
            bound = f"{ratio:>6.2f} x ipc{_spell_bound('at most', MOST_LATENCY.get(name))}"
            print(f"{per_second:>6,}/s  {name:9}p50 {p50:>7.3f} ms {bound}  {_rest(each)}", flush=True)
    return within
