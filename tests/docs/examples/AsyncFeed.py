import asyncio

from quotebus import AsyncBusClient


async def main() -> None:
    async with AsyncBusClient() as bus:
        await bus.request(["SPY"], channels=["quotes", "trades"], wait_s=5)
        async for trade in bus.trades(timeout_s=10):
            print(trade.symbol, trade.price, trade.size)
            break


asyncio.run(main())
