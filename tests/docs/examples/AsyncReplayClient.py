import asyncio

from quotebus import AsyncReplayClient


async def main() -> None:
    async with AsyncReplayClient("day.mcap") as bus:
        await bus.request("SPY", wait_s=5)
        async for quote in bus.quotes():
            if not bus.usable("SPY"):
                print(quote.time, bus.assess("SPY").reasons)
        print("over at", bus.now)


asyncio.run(main())
