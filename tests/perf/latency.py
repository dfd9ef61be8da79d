"""Latency beside a bare pipeline and alpaca-py, in the same run: `make latency`.

From the source's sending of a quote to its being a typed quote in a reader's process. Evenly paced quotes, one a frame;
rounds of the contenders alternate; medians and ratios to the bare pipeline, which is a websocket read by hand, PUB,
`zmq.proxy` and SUB. With --one-core all programs share one processor: no wake-up crosses to another, so the ratio is
the one that a busy machine disturbs least, and the run fails above its bound.
"""

from __future__ import annotations

import sys

from tests.perf.contenders import Load, Measured
from tests.perf.rounds import (
    begin,
    cpu_us,
    latency_ms,
    lost,
    parser,
    print_crowd,
    print_system_calls,
    run_rounds,
    spell,
    write_json,
)

RATES = (2_000, 20_000)
ONE_CORE_RATES = (500,)
"""One core does not carry 20,000/s of each, and a slow one not 2,000: what is compared then is a queue."""
ONE_CORE_BOUND = 3.5
"""Ours beside the bare pipeline, p50, on one core."""


def main() -> int:
    options = parser("make latency", __doc__)
    options.add_argument("--seconds", type=float, default=5, help="of each measurement")
    chosen = options.parse_args()
    begin(chosen)
    print(f"{'quotes/s':>9} {'':>9} {'p50 ms':>8} {'÷ bare':>7} {'p99 ms':>8} {'÷ bare':>7}  lost   CPU per quote, µs")
    rows: list[tuple[Load, str, list[Measured]]] = []
    passed = True
    for per_second in ONE_CORE_RATES if chosen.one_core else RATES:
        load = Load(int(per_second * chosen.seconds), 1, float(per_second))
        measured = run_rounds(load, chosen.rounds, f"{per_second:,} quotes/s")
        bare = [latency_ms(measured["bare"], share) for share in (0.5, 0.99)]
        for name, rounds in measured.items():
            p50, p99 = (latency_ms(rounds, share) for share in (0.5, 0.99))
            ratios = f"{p50:>8.3f} {p50 / bare[0]:>7.2f} {p99:>8.3f} {p99 / bare[1]:>7.2f}"
            print(f"{per_second:>9,} {name:>9} {ratios}  {lost(rounds):>4}   {spell(cpu_us(rounds))}", flush=True)
            passed = passed and not (chosen.one_core and name == "quotebus" and p50 / bare[0] > ONE_CORE_BOUND)
        rows += [(load, name, rounds) for name, rounds in measured.items()]
    print_crowd([each for _, _, rounds in rows for each in rounds])
    calls = print_system_calls() if chosen.calls else {}
    write_json(chosen.json, rows, system_calls=calls, one_core=chosen.one_core)
    if chosen.one_core:
        print(f"at most {ONE_CORE_BOUND} × the bare pipeline on one core: {'yes' if passed else 'NO'}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
