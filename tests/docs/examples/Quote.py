from quotebus import BusClient

with BusClient() as bus:
    bus.request(["SPY"], wait_s=5)
    for quote in bus.quotes(timeout_s=5):
        print(quote.bid_price, quote.bid_size, quote.ask_price, quote.ask_size, quote.mid, quote.spread)
        print("from exchange to node:", quote.received_ns - quote.exchange_ns, "ns")
        break
