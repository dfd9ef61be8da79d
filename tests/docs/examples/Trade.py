from quotebus import BusClient

with BusClient() as bus:
    bus.request(["SPY"], channels=["quotes", "trades"], wait_s=5)
    for trade in bus.trades(timeout_s=10):
        print(trade.symbol, trade.price, trade.size, trade.exchange_ns)
        break
