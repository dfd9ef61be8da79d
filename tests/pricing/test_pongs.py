"""Pings that are never answered: known after two seconds, forgiven at the first answer, and what silence then costs."""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.pongs import LENIENT_NS, PATIENCE_NS, STRICT_NS, PongWatch
from tests.support.core_rig import CoreRig, streaming


def test_bounds_are_strict_until_a_ping_was_in_vain() -> None:
    watch = PongWatch()
    assert (watch.bounds_ns, watch.due_ns) == (STRICT_NS, None)
    watch.on_ping(7)
    watch.on_ping(NS_PER_S)
    assert watch.due_ns == 7 + PATIENCE_NS
    watch.on_time(6 + PATIENCE_NS)
    assert watch.bounds_ns == STRICT_NS
    watch.on_time(7 + PATIENCE_NS)
    assert (watch.missing, watch.bounds_ns, watch.due_ns) == (True, LENIENT_NS, None)


def test_one_answer_is_enough_for_good() -> None:
    watch = PongWatch()
    watch.on_ping(0)
    watch.on_time(PATIENCE_NS)
    watch.on_pong()
    watch.on_ping(PATIENCE_NS)
    watch.on_time(100 * NS_PER_S)
    assert (watch.missing, watch.bounds_ns, watch.due_ns) == (False, STRICT_NS, None)


def test_a_connection_that_ends_first_proves_nothing() -> None:
    watch = PongWatch()
    watch.on_ping(0)
    watch.on_lost()
    watch.on_time(100 * NS_PER_S)
    assert not watch.missing


def silent_rig(*, pongs: bool) -> CoreRig:
    """A connection that streams and then brings nothing but answers to pings, if there are any."""
    rig = streaming("SPY", pongs=pongs)
    rig.ask("watcher", "SPY", ttl_ms=120_000)
    rig.alive = False
    return rig


def test_without_pongs_quiet_symbols_have_thirty_seconds_and_it_is_told() -> None:
    rig = silent_rig(pongs=False)
    rig.run(3)
    assert (rig.health().state, rig.health().detail) == ("streaming", "no_pongs")
    rig.run(24)
    assert (rig.health().state, rig.health().connection) == ("streaming", 1), "not cut every 4.5 s"
    rig.run(2)
    assert (rig.health().state, rig.health().cause) == ("suspect", "no_life")
    rig.run(1.5)
    assert ("backing_off", "no_life") in rig.healths()


def test_the_next_connection_to_that_address_knows_at_once() -> None:
    rig = silent_rig(pongs=False)
    rig.run(3)
    rig.lose()
    rig.run(2)
    assert (rig.health().state, rig.health().detail, rig.health().connection) == ("streaming", "no_pongs", 2)
    rig.run(20)
    assert rig.health().connection == 2


def test_an_address_that_has_answered_keeps_the_strict_bounds() -> None:
    rig = silent_rig(pongs=True)
    rig.pongs = False
    rig.run(2)
    assert (rig.health().state, rig.health().detail) == ("streaming", "")
    rig.run(1)
    assert (rig.health().state, rig.health().cause) == ("suspect", "no_life")
    rig.run(2)
    assert ("backing_off", "no_life") in rig.healths()


def test_a_late_first_answer_ends_the_leniency() -> None:
    rig = silent_rig(pongs=False)
    rig.run(6)
    assert rig.health().detail == "no_pongs"
    rig.shared.ponged = rig.alive = True
    rig.run(2)
    assert (rig.health().state, rig.health().detail) == ("streaming", "")
