import multiprocessing

from quotebus import BusClient, ClientInherited


def child(inherited: BusClient) -> None:
    try:
        inherited.usable("SPY")
    except ClientInherited as error:
        print(error)
    with BusClient() as bus:
        print(bus.request("SPY", wait_s=5)["SPY"].state)


with BusClient() as bus:
    process = multiprocessing.get_context("fork").Process(target=child, args=(bus,))
    process.start()
    process.join()
