from quotebus import BusClient, ConnectionState

with BusClient() as bus:
    bus.request(["SPY"], wait_s=5)
    health = bus.health()
    print(health is not None and health.state == ConnectionState.STREAMING)
