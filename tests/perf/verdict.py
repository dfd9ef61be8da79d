"""Microseconds a verdict takes, beside the book's own judgement: `python -m tests.perf.verdict --rounds 7`."""

from __future__ import annotations

import argparse
from statistics import median
from time import perf_counter_ns

from quotebus.bus.book import Book
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Quote
from quotebus.execution_adapter.decision.assessment import Assessor
from quotebus.execution_adapter.intents import Intent, parse
from tests.support.samples import HEALTH, QUOTE, STATUS, like

NOW = 5_000 * NS_PER_S
INTENT: Intent = parse("SPY buy 10")
BAD: Quote = like(QUOTE, bid_price=None, bid_size=None, flags=1, connection=0, exchange_ns=0)


def book(quote: Quote) -> Book:
    made = Book()
    for event, take in ((HEALTH, made.on_health), (STATUS, made.on_status), (quote, made.on_quote)):
        made.on_message(event, NOW)
        take(event)  # type: ignore[operator]
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description="microseconds a verdict takes")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=20_000)
    options = parser.parse_args()
    for what, quote in (("good price", QUOTE), ("price with every fault", BAD)):
        judged = book(quote)
        assessor = Assessor(judged.assess)
        own: list[float] = []
        full: list[float] = []
        for _ in range(options.rounds):
            began = perf_counter_ns()
            for _ in range(options.calls):
                judged.assess("SPY", NOW)
            own.append((perf_counter_ns() - began) / options.calls / 1000)
            began = perf_counter_ns()
            for _ in range(options.calls):
                assessor.assess("SPY", INTENT.side, INTENT.qty, NOW)
            full.append((perf_counter_ns() - began) / options.calls / 1000)
        print(
            f"{what:<22}  verdict {median(full):5.1f} µs ({min(full):.1f} to {max(full):.1f})  "
            f"book alone {median(own):5.1f} µs  ratio {median(full) / median(own):.1f}"
        )


if __name__ == "__main__":
    main()
