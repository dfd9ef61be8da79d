from quotebus import BusClient, Flag

with BusClient() as bus:
    bus.request(["SPY"], wait_s=5)
    for quote in bus.quotes(timeout_s=5):
        print("clean" if quote.flags == 0 else Flag(quote.flags))
        break
