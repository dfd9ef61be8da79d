"""A broker that does not take more: quotes are conflated to the latest of each symbol, counted, and nothing is old."""

from __future__ import annotations

from bus.events import Counters, Quote
from tests.support.programs import eventually
from tests.support.world import World

SYMBOLS = [f"SYM{number}" for number in range(50)]


def test_frozen_broker_conflates_and_the_latest_comes_first(world: World) -> None:
    broker = world.broker()
    world.exchange("--rate", "100", "--batch", "10")
    world.node()
    client = world.client("watcher")
    client.request(SYMBOLS, wait_s=15)
    log = world.log(b"counters.", b"quote.SYM1")  # some of them: all would be too much for it

    def sent() -> int:
        return int(world.control.state()["connections"][0]["sent_quotes"])

    before = sent()
    broker.freeze()
    world.control.rate(0)
    eventually(lambda: sent() - before > 400_000, why="more than the queues on the way can hold")
    broker.thaw()
    world.control.rate(100)
    counted, _ = log.wait(Counters, lambda event: event.program == "pricing-node" and event.counters["conflated"] > 0)
    assert counted.counters["quotes_dropped"] == 0
    eventually(lambda: all(client.usable(symbol) for symbol in SYMBOLS[:5]))
    assert log.all(Quote)
    for symbol in SYMBOLS:
        quotes = log.all(Quote, lambda quote, symbol=symbol: quote.symbol == symbol)  # type: ignore[misc]
        numbers = [quote.seq for quote in quotes]
        assert numbers == sorted(numbers)
        in_order = [quote.exchange_ns for quote in quotes if not quote.flags & 8]
        assert in_order == sorted(in_order), "never an older quote after a newer one"
