from quotebus import BusClient, ClientClosed

bus = BusClient()
bus.close()
try:
    bus.request(["SPY"])
except ClientClosed as error:
    print(error)
