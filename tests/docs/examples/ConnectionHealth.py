from quotebus import BusClient

with BusClient() as bus:
    bus.request(["SPY"], wait_s=5)
    health = bus.health()
    if health is not None:
        print(health.state, health.cause, "connection", health.connection, "wanted", health.desired)
