"""The peer of the benchmark: alpaca-py's own stream client, typed quotes, nothing else in its process."""

from __future__ import annotations

import os
import sys
import time

from alpaca.data.live.stock import StockDataStream

from tests.perf.source import SYMBOLS


def main() -> None:
    url, wanted = sys.argv[1], int(sys.argv[2])
    received, began = 0, 0.0

    async def on_quote(_: object) -> None:
        nonlocal received, began
        if not received:
            began = time.perf_counter()
        received += 1
        if received >= wanted:
            print(wanted / (time.perf_counter() - began), flush=True)
            os._exit(0)

    stream = StockDataStream("key", "secret", url_override=url)
    stream.subscribe_quotes(on_quote, *SYMBOLS)
    stream.run()


if __name__ == "__main__":
    main()
