from quotebus import BusClient, now_ns

with BusClient() as bus:
    bus.request(["SPY"], wait_s=5)
    later_ns = now_ns() + 120_000_000_000
    print(bus.usable("SPY", at_ns=later_ns))  # False: in two minutes this price will be too old
