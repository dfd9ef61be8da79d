from quotebus import BusClient

with BusClient() as bus:  # the node needs PRICING_ORDER_STREAM=true
    for update in bus.orders(timeout_s=0.2):
        print(update.event, update.client_order_id, update.filled_qty)
    print(bus.orders_are_connected)
