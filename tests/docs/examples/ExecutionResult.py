from quotebus import BusClient

with BusClient(name="strategy") as bus:  # a worker with EXECUTION_INTENTS_FROM=strategy works it
    result = bus.execute("SPY", "buy", 10, within_s=60, intent_id="rebalance-2026-01-05-SPY", answer_s=1)
    print(result)
    print(result.filled, result.remaining, result.average_price, result.meaning)
