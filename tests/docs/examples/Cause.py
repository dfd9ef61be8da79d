from quotebus import BusClient, Cause

with BusClient() as bus:
    result = bus.request(["not a symbol"], wait_s=5)["not a symbol"]
    print(result.cause == Cause.BAD_SYMBOL)
