from quotebus import BusClient, BusSettings

settings = BusSettings()  # from the environment and .env: BUS_PUBLISH_URL and so on
print(settings.bus_subscribe_url)
with BusClient(settings) as bus:
    bus.request(["SPY"], wait_s=5)
