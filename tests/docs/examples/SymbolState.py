from quotebus import BusClient, SymbolState

with BusClient() as bus:
    bus.request(["SPY"], wait_s=5)
    result = bus.status("SPY")
    print(result is not None and result.state == SymbolState.LIVE)
