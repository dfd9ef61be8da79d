from quotebus import BusClient

with BusClient() as bus:
    bus.request(["SPY"], wait_s=5)
    verdict = bus.assess("SPY")
    if verdict.usable and verdict.quote is not None:
        print("mid", verdict.quote.mid, "age", verdict.age_ns, "ns")
    else:
        print("not now:", ", ".join(verdict.reasons))
