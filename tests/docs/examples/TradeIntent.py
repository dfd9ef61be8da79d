import time

from quotebus import BusClient, TradeIntent

with BusClient(name="strategy") as bus:
    intent = TradeIntent(
        client="strategy",
        intent_id="strategy-1",
        symbol="SPY",
        side="buy",
        qty=10.0,
        urgency="normal",
        deadline_ns=time.time_ns() + 60_000_000_000,
    )
    print(bus.publish(intent))  # and nothing more: `execute` also repeats it and follows it to its end
