from quotebus import BusClient, BusSettings

settings = BusSettings()  # from the environment and .env: BUS_URL and so on
print(settings.bus_address)
with BusClient(settings) as bus:
    bus.request(["SPY"], wait_s=5)
