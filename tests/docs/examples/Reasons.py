from quotebus import BusClient

with BusClient() as bus:
    reasons = bus.assess("SPY").reasons  # nobody has asked for it yet
    print(f"not usable: {reasons}")
