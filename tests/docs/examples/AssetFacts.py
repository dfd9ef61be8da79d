from quotebus import BusClient

with BusClient() as bus:
    print(bus.request(["SPY"], wait_s=5)["SPY"].asset)
