from quotebus import BusClient, Counters

with BusClient(name="my-strategy") as bus:
    print(bus.counters["received"] >= 0)
    print(bus.publish(Counters(program="my-strategy", counters={"signals": 3})))
