"""What a bad record or frame does: it loses itself, is counted, and no price of it is ever used; the others go on."""

from __future__ import annotations

import pytest

from bus.events import Counters, Quote, SymbolStatus
from tests.support.programs import eventually
from tests.support.world import World

NONSENSE = ["nan", "infinite", "huge_price", "wrong_types", "missing_fields"]
FLAGGED = {"zero_bid": 1, "negative": 1, "size_zero": 1, "crossed": 2, "locked": 4, "backward_time": 8}


def start(world: World) -> None:
    world.broker()
    world.exchange("--rate", "100")
    world.node()


def test_nonsense_makes_its_symbol_stale_until_the_next_good_quote(world: World) -> None:
    start(world)
    log = world.log()
    client = world.client("watcher")
    client.request(["SPY", "QQQ"], wait_s=10)
    for fault in NONSENSE:
        eventually(lambda: client.usable("SPY"))
        position = log.position()
        world.control.faults(**{fault: "SPY"})
        stale, _ = log.wait(
            SymbolStatus, lambda status: status.symbol == "SPY" and status.state == "stale", since=position
        )
        assert stale.cause == "bad_data", fault
        eventually(lambda: not client.usable("SPY"), why=fault)
        log.quote("QQQ", since=log.position())
        assert client.usable("QQQ"), f"{fault}: the other symbol goes on"
        world.control.lift_faults()
    eventually(lambda: client.usable("SPY"))
    for quote in log.all(Quote):
        for price in (quote.bid_price, quote.ask_price):
            assert price is None or 0 < price < 1e9, f"never a price: {quote}"
    counted, _ = log.wait(Counters, lambda event: event.program == "pricing-node" and event.counters["bad_data"] > 0)
    assert counted.counters["bad_frames"] == 0
    assert world.control.state()["tcp_accepted_total"] == 1


def test_doubtful_quotes_are_flagged_and_not_used(world: World) -> None:
    start(world)
    log = world.log()
    client = world.client("watcher")
    client.request(["SPY", "QQQ"], wait_s=10)
    for fault, flag in FLAGGED.items():
        position = log.position()
        world.control.faults(**{fault: "SPY"})
        quote, _ = log.wait(
            Quote,
            lambda quote, flag=flag: quote.symbol == "SPY" and quote.flags & flag,
            since=position,  # type: ignore[misc]
        )
        if fault in ("zero_bid", "negative"):
            assert quote.bid_price is None, f"{fault}: absent, never 0"
        if fault != "backward_time":  # that one is not held, so the one before still stands
            eventually(lambda: not client.usable("SPY"), why=fault)
        assert client.usable("QQQ"), f"{fault}: the other symbol goes on"
        world.control.lift_faults()
        eventually(lambda: client.usable("SPY"), why=f"after {fault}")


@pytest.mark.parametrize("fault", ["wrong_opcode", "reserved_bits", "masked", "huge_frame", "huge_message"])
def test_broken_framing_ends_the_line_and_a_new_one_comes(world: World, fault: str) -> None:
    start(world)
    log = world.log()
    client = world.client("watcher")
    client.request(["SPY"], wait_s=10)
    position = log.position()
    world.control.faults(**{fault: 1})
    lost, _ = log.health("backing_off", since=position, within_s=5)
    assert lost.cause == ("too_big" if fault.startswith("huge") else "protocol")
    world.control.lift_faults()
    eventually(lambda: client.usable("SPY"))
    assert world.control.state()["max_simultaneous"] == 1


def test_single_unreadable_frames_are_counted_and_a_series_ends_the_line(world: World) -> None:
    start(world)
    log = world.log()
    client = world.client("watcher")
    client.request(["SPY"], wait_s=10)
    world.control.faults(garbage=2)
    log.wait(Counters, lambda event: event.counters.get("bad_frames") == 2)
    assert client.usable("SPY")
    assert world.control.state()["tcp_accepted_total"] == 1
    position = log.position()
    world.control.faults(garbage=True)
    lost, _ = log.health("backing_off", since=position)
    assert lost.cause == "protocol"
    world.control.lift_faults()
    eventually(lambda: client.usable("SPY"))
