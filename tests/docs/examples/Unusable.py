from quotebus import BusClient, Unusable

with BusClient() as bus:
    reasons = bus.assess("SPY").reasons  # nobody has asked for it yet
    print(Unusable.NOT_REQUESTED in reasons)
