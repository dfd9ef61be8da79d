from quotebus import BusClient

with BusClient() as bus:
    result = bus.request(["SPY"], wait_s=5)["SPY"]
    if result.asset is not None:
        print("takes orders" if result.asset.tradable else "takes no orders", result.asset.tick, result.asset.lot)
