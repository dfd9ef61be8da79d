from quotebus import BusClient

with BusClient() as bus:
    for result in bus.request(["SPY", "not a symbol"], wait_s=5).values():
        print(result)
