from quotebus import BusClient

with BusClient() as bus:
    bus.request(["SPY"], wait_s=5)
    standing = bus.assess("SPY").standing
    if standing is not None:
        print(standing.state, standing.cause, "said by", standing.source)
