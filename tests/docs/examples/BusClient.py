from quotebus import BusClient

with BusClient(name="my-strategy") as bus:
    results = bus.request(["SPY", "QQQ"], wait_s=5)
    print(results["SPY"].state)
    for quote in bus.quotes(timeout_s=5):
        print(quote.symbol, quote.mid, bus.usable(quote.symbol))
        break
