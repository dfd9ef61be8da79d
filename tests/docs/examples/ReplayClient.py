from quotebus import ReplayClient

with ReplayClient("day.mcap") as bus:  # everything else is as with BusClient
    bus.request(["SPY", "QQQ"], wait_s=5)
    for quote in bus.quotes(conflate=False):
        if bus.usable(quote.symbol):
            print(quote.time, quote.symbol, quote.mid)
