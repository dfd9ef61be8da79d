from quotebus import BusClient

with BusClient(name="strategy") as bus:
    result = bus.execute("SPY", "buy", 10, answer_s=1)
    for order in result.orders:
        print(order.client_order_id, order.order_id, order.status, order.filled)
    print(len(result.orders), "orders")
