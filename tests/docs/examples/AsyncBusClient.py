import asyncio

from quotebus import AsyncBusClient


async def main() -> None:
    async with AsyncBusClient() as bus:
        await bus.request(["SPY"], wait_s=5)
        async for quote in bus.quotes(timeout_s=5):
            print(quote.symbol, quote.mid)
            break


asyncio.run(main())
