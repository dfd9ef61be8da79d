"""Follow symbols with asyncio: `python tests/examples/follow_async.py SPY QQQ`; start `quotebus up` first.

Prints each usable price, and when a price may not be used, why; Ctrl-C gives the symbols back and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

from quotebus import AsyncBusClient


async def follow(symbols: list[str]) -> None:
    async with AsyncBusClient(name="follow-async") as bus:
        for result in (await bus.request(symbols, wait_s=5)).values():
            print(result.symbol, result.state, result.cause, flush=True)
        async for quote in bus.quotes():
            verdict = bus.assess(quote.symbol)
            print(quote.symbol, f"{quote.mid:.2f}" if verdict.usable else ", ".join(verdict.reasons), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(follow(sys.argv[1:] or ["SPY"]))
