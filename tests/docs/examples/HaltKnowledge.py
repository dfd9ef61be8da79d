from quotebus import BusClient, HaltKnowledge

with BusClient() as bus:
    bus.request(["SPY"], wait_s=5)
    stopped = bus.assess("SPY").halt is HaltKnowledge.HALTED
    print("the exchange has stopped trading in SPY" if stopped else "no halt is known")
