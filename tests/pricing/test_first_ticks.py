"""What has never ticked gives way first, once, and is not exchanged to and fro."""

from __future__ import annotations

from quotebus.bus.clock import to_utc_ns
from quotebus.bus.events import MarketSession
from quotebus.pricing.sessions import SessionRule
from tests.support.core_rig import CoreRig


def rig_with(*symbols: str, limit: int | None = None, first_tick_s: float = 60) -> CoreRig:
    rig = CoreRig(limit=limit, first_tick_s=first_tick_s)
    rig.ask("c", *symbols, ttl_ms=120_000)
    return rig


def test_a_symbol_without_a_quote_is_never_ticked_after_its_time() -> None:
    rig = rig_with("SPY", "DEAD")
    rig.quote("SPY")
    rig.run(58)
    assert rig.statuses("DEAD")[-1] == ("pending", "no_quote_yet")
    rig.run(4)
    assert rig.statuses("DEAD")[-1] == ("pending", "never_ticked")
    assert rig.statuses("SPY")[-1][0] != "pending"
    rig.quote("DEAD")
    assert rig.statuses("DEAD")[-1][0] == "live"


def test_it_gives_way_first_whatever_its_priority_and_stays_where_it_is() -> None:
    rig = CoreRig(limit=2)
    rig.ask("a", "DEAD", "SPY", priority=10, ttl_ms=120_000)
    rig.ask("b", "QQQ", ttl_ms=120_000)
    rig.quote("SPY")
    assert rig.statuses("QQQ")[-1][0] == "evicted"
    rig.run(62)
    assert rig.statuses("DEAD")[-1] == ("evicted", "symbol_limit")
    rig.quote("QQQ")
    for _ in range(10):
        rig.run(50)
        rig.ask("a", "DEAD", "SPY", priority=10, ttl_ms=120_000)
        rig.ask("b", "QQQ", ttl_ms=120_000)
    assert [state for state, _ in rig.statuses("DEAD")].count("evicted") == 1
    assert rig.statuses("QQQ")[-1][0] in ("live", "quiet")


def test_two_that_never_tick_are_exchanged_once() -> None:
    rig = CoreRig(limit=1)
    for _ in range(20):
        rig.ask("a", "DEAD", priority=10, ttl_ms=120_000)
        rig.ask("b", "MUTE", ttl_ms=120_000)
        rig.run(50)
    assert [state for state, _ in rig.statuses("DEAD")].count("evicted") == 1
    assert [state for state, _ in rig.statuses("MUTE")].count("evicted") == 2


def test_a_closed_market_is_no_time_to_tick_and_a_new_session_is_a_new_chance() -> None:
    rig = CoreRig(limit=1, session_rule=SessionRule(always=MarketSession.CLOSED))
    rig.ask("a", "SPY", ttl_ms=120_000)
    rig.run(100)
    assert rig.statuses("SPY")[-1] == ("pending", "no_quote_yet")
    rig = CoreRig(session_rule=SessionRule(always=MarketSession.PRE, asks=True))
    rig.core.venue_day.on_clock(MarketSession.PRE, to_utc_ns(rig.now_ns))
    rig.ask("a", "SPY", ttl_ms=120_000)
    for _ in range(4):
        rig.run(15.5)
        rig.core.venue_day.on_clock(MarketSession.PRE, to_utc_ns(rig.now_ns))
    assert rig.core.allocation.last == {"SPY"}
    rig.core.venue_day.on_clock(MarketSession.REGULAR, to_utc_ns(rig.now_ns))
    rig.run(2)
    assert rig.core.allocation.last == set()


def test_a_new_connection_gives_it_its_time_again() -> None:
    rig = rig_with("SPY", "DEAD")
    rig.quote("SPY")
    rig.run(40)
    rig.lose()
    rig.run(50)
    assert rig.statuses("DEAD")[-1] == ("pending", "no_quote_yet")
