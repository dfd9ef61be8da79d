"""A feed that answers pings and brings nothing, through the node's decisions: health, redials, and back."""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S, to_utc_ns
from quotebus.bus.events import ConnectionHealth
from quotebus.pricing.commands import SocketCommand
from tests.support.core_rig import CoreRig, state, streaming


def tick(rig: CoreRig, seconds: float) -> None:
    """Two symbols, five quotes a second."""
    for number in range(int(seconds * 5)):
        rig.run(0.2)
        rig.quote("SPY" if number % 2 else "QQQ")


def ticking(seconds: float = 60) -> CoreRig:
    rig = streaming("SPY", "QQQ")
    tick(rig, seconds)
    return rig


def keep_leases(rig: CoreRig, seconds: float) -> None:
    """Time passes without a tick, for clients that renew."""
    for _ in range(int(seconds / 30)):
        rig.ask("a", "SPY", "QQQ", channels=("quotes", "trades"), ttl_ms=120_000)
        rig.run(30)


def dials(rig: CoreRig) -> int:
    return rig.orders.count(SocketCommand.DIAL)


def test_a_proven_mute_feed_is_suspect_within_15_s_and_redialled() -> None:
    rig = ticking()
    rig.venue_ahead_s = 3.0
    position, muted_ns = len(rig.events), rig.now_ns
    rig.run(15, until=lambda: bool(rig.all(ConnectionHealth, lambda h: h.state == "suspect", since=position)))
    assert (rig.now_ns - muted_ns) / NS_PER_S < 9
    told = rig.all(ConnectionHealth, since=position)
    suspect = next(health for health in told if health.state == "suspect")
    assert (suspect.cause, suspect.detail) == ("mute", "silent")
    assert any((health.state, health.detail) == ("streaming", "silent") for health in told)
    rig.run(2)
    assert rig.healths()[-6:] == [
        ("suspect", "mute"), ("backing_off", "mute"), ("connecting", "demand"), ("authenticating", "demand"),
        ("subscribing", "demand"), ("streaming", "demand"),
    ]  # fmt: skip
    assert dials(rig) == 2
    assert rig.health().connection == 2
    assert state(rig) == "pending", "nothing has come over the new connection"
    assert rig.health().gap_start_ns == to_utc_ns(muted_ns), "the gap begins with the last tick"


def test_a_feed_that_stays_mute_is_suspect_and_redialled_after_5_10_20_minutes() -> None:
    rig = ticking()
    rig.venue_ahead_s = 3.0
    keep_leases(rig, 120)
    assert (rig.health().state, rig.health().cause) == ("suspect", "mute")
    assert dials(rig) == 2
    keep_leases(rig, 240)
    assert dials(rig) == 3
    keep_leases(rig, 600)
    assert dials(rig) == 4
    keep_leases(rig, 600)
    assert dials(rig) == 4
    keep_leases(rig, 600)
    assert dials(rig) == 5


def test_one_tick_makes_it_streaming_again() -> None:
    rig = ticking()
    rig.venue_ahead_s = 3.0
    keep_leases(rig, 60)
    assert (rig.health().state, rig.health().cause) == ("suspect", "mute")
    rig.quote("SPY")
    rig.run(0.3)
    assert (rig.health().state, rig.health().cause, rig.health().detail) == ("streaming", "demand", "")
    assert state(rig) == "live"


def test_without_proof_prices_stay_and_the_detail_says_silent() -> None:
    for ahead_s in (None, 0.0, 1.9):
        rig = ticking()
        rig.venue_ahead_s = ahead_s
        position = len(rig.events)
        keep_leases(rig, 300)
        assert {health.state for health in rig.all(ConnectionHealth, since=position)} == {"streaming"}
        assert rig.health().detail == "silent"
        assert state(rig) == "quiet"
        rig.quote("SPY")
        rig.run(1)
        assert rig.health().detail == ""
        assert dials(rig) == 1


def test_a_line_that_answers_no_pings_is_that_and_not_mute() -> None:
    rig = ticking()
    rig.venue_ahead_s = 3.0
    rig.alive = rig.dials = False
    rig.run(10)
    assert ("suspect", "no_life") in rig.healths()
    assert not [cause for _, cause in rig.healths() if cause == "mute"]
    assert not rig.asked


def test_nobody_is_asked_about_a_connection_without_demand() -> None:
    rig = ticking()
    rig.ask("a", channels=("quotes", "trades"))
    rig.run(25)
    assert rig.health().cause == "lingering"
    assert not rig.asked


def test_a_halted_market_is_not_asked_about() -> None:
    rig = ticking()
    for symbol in ("SPY", "QQQ"):
        rig.status(symbol, "2")
    keep_leases(rig, 900)
    assert not rig.asked
    for symbol in ("SPY", "QQQ"):
        rig.status(symbol, "3")
    rig.run(30)
    assert not rig.asked
