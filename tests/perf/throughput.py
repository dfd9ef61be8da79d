"""Quotes per second beside a bare pipeline and alpaca-py, in the same run: `make bench`.

The same prepared frames, as fast as they are taken, each contender to typed quotes in a reader's process: ours through
a real node and a real broker, alpaca-py's `StockDataStream` directly, and a bare pipeline of a websocket read by hand,
PUB, `zmq.proxy` and SUB. Rounds alternate, so that a busy machine disturbs all; the medians and their ratios are what
counts.
"""

from __future__ import annotations

import sys

from tests.perf.contenders import Load, Measured
from tests.perf.rounds import (
    begin,
    cpu_us,
    lost,
    parser,
    print_crowd,
    print_system_calls,
    rate,
    run_rounds,
    spell,
    write_json,
)

TARGET = 2.0
"""Times alpaca-py at one quote a frame: below this the benchmark fails."""


def main() -> int:
    options = parser("make bench", __doc__)
    options.add_argument("--quotes", type=int, default=300_000, help="per round")
    chosen = options.parse_args()
    begin(chosen)
    print(f"{'a frame':>8} {'':>9} {'quotes/s':>10} {'÷ alpaca-py':>12} {'÷ bare':>7}  lost   CPU per quote, µs")
    rows: list[tuple[Load, str, list[Measured]]] = []
    passed = True
    for per_frame in (1, 10):
        load = Load(chosen.quotes, per_frame)
        measured = run_rounds(load, chosen.rounds, f"{per_frame} a frame")
        alpaca, bare = rate(measured["alpaca-py"]), rate(measured["bare"])
        for name, rounds in measured.items():
            ratios = f"{rate(rounds):>10,.0f} {rate(rounds) / alpaca:>12.2f} {rate(rounds) / bare:>7.2f}"
            print(f"{per_frame:>8} {name:>9} {ratios}  {lost(rounds):>4}   {spell(cpu_us(rounds))}", flush=True)
        passed = passed and (per_frame > 1 or rate(measured["quotebus"]) / alpaca >= TARGET)
        rows += [(load, name, rounds) for name, rounds in measured.items()]
    print_crowd([each for _, _, rounds in rows for each in rounds])
    calls = print_system_calls() if chosen.calls else {}
    write_json(chosen.json, rows, system_calls=calls, one_core=chosen.one_core)
    print(f"at one quote a frame at least {TARGET} × alpaca-py: {'yes' if passed else 'NO'}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
