from quotebus import BusClient

with BusClient() as bus:
    bus.request(["SPY"], wait_s=5)
    feed = bus.quotes(conflate=False, timeout_s=5)  # every quote, up to a bound
    for quote in feed:
        print(quote.seq, "dropped so far:", feed.dropped)
        break
