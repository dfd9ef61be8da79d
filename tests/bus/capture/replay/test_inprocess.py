"""A capture fed to consumers in one process, without a socket."""

from __future__ import annotations

from quotebus.bus.capture.replay.inprocess import InProcessBus
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import ConnectionHealth, SymbolStatus
from tests.support.market import NODE, Market, day


def test_a_consumer_judges_as_it_would_have_live() -> None:
    market = Market()
    market.health()
    for symbol in ("SPY", "QQQ"):
        market.quote(symbol)
        market.status(symbol, "live")
    market.status("SPY", "halted", "halt")
    bus = InProcessBus(market.entries)
    consumer = bus.consumer("notebook", ["SPY", "QQQ"])
    seen = {}
    for event in bus.play():
        if isinstance(event, SymbolStatus):
            seen[event.symbol, event.state] = consumer.book.assess(event.symbol, consumer.stream_ns).reasons
    assert seen == {("SPY", "live"): (), ("QQQ", "live"): (), ("SPY", "halted"): ("not_live", "halted")}
    assert consumer.book.health is not None
    assert consumer.book.health.source == f"replay:{NODE}"


def test_time_is_the_streams() -> None:
    market = day()
    bus = InProcessBus(market.entries)
    consumer = bus.consumer("notebook", ["QQQ"])
    ages = [
        consumer.book.age_ns(event, consumer.stream_ns) for event in bus.play() if isinstance(event, ConnectionHealth)
    ]
    assert set(ages) == {0}
    assert consumer.stream_ns == market.entries[-1].published_ns
    assert "health_silent" in consumer.book.assess("SPY", consumer.stream_ns + 4 * NS_PER_S).reasons


def test_consumers_hear_only_what_they_asked_for() -> None:
    bus = InProcessBus(day().entries)
    one, other = bus.consumer("one", ["SPY"]), bus.consumer("other", ["QQQ", "SPY"], channels=("quotes", "trades"))
    events = list(bus.play())
    assert set(one.book.quotes) == {"SPY"}
    assert set(other.book.quotes) == {"QQQ", "SPY"}
    assert one.counters["received"] < other.counters["received"] < len(events)
    assert one.tracker.lost == other.tracker.lost == 0
