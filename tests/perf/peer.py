"""The peer of the benchmarks: alpaca-py's own stream client, typed quotes, nothing else in its process.

`python -m tests.perf.peer URL QUOTES` prints quotes per second; with a third word `latency`, the milliseconds each took.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from alpaca.data.live.stock import StockDataStream

from tests.perf.source import SYMBOLS


def main() -> None:
    url, wanted = sys.argv[1], int(sys.argv[2])
    received, began = 0, 0.0

    latency = sys.argv[3:] == ["latency"]
    taken: list[float] = []

    async def on_quote(quote: Any) -> None:
        nonlocal received, began
        if not received:
            began = time.perf_counter()
        received += 1
        if latency:
            taken.append(time.time() * 1e3 - quote.timestamp.timestamp() * 1e3)
        if received >= wanted and latency:
            print(" ".join(f"{value:.3f}" for value in taken), flush=True)
            os._exit(0)
        if received >= wanted:
            print(wanted / (time.perf_counter() - began), flush=True)
            os._exit(0)

    stream = StockDataStream("key", "secret", url_override=url)
    stream.subscribe_quotes(on_quote, *SYMBOLS)
    stream.run()


if __name__ == "__main__":
    main()
