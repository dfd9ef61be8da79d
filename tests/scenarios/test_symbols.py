"""Symbols that the venue does not have, and its session, through the real programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from quotebus.bus.clock import now_ns
from quotebus.bus.events import ConnectionHealth, ExecutionDecision, SymbolStatus
from tests.support.programs import eventually
from tests.support.stopwatch import Stopwatch
from tests.support.world import World


def _start(world: World, **node: str) -> None:
    world.broker()
    world.exchange("--rate", "50")
    world.node(**node)


def test_a_typo_is_answered_by_name_within_a_second(world: World, stopwatch: Stopwatch) -> None:
    world.broker()
    world.exchange("--rate", "50")
    world.control.faults(
        asset_unknown=["APPL"], asset_inactive=["TWTR"], not_tradable=["IBM"], mute_symbol=["APPL", "TWTR"]
    )
    node = world.node()
    client = world.client()
    assert client.request(["AAPL"], wait_s=20)["AAPL"].usable
    began_ns = now_ns()
    found = client.add(["APPL", "TWTR"], wait_s=20)
    assert (found["APPL"].state, found["APPL"].cause, found["APPL"].hopeless) == ("refused", "no_such_symbol", True)
    assert (found["TWTR"].state, found["TWTR"].cause, found["TWTR"].hopeless) == ("refused", "inactive", True)
    assert stopwatch.seconds(began_ns, now_ns()) < 1
    assert (found["APPL"].near, str(found["APPL"])) == (("AAPL",), "APPL: refused (no_such_symbol); did you mean AAPL?")
    node.line("APPL: the venue has no such symbol; near to it: AAPL")
    began_ns = now_ns()
    found = client.add(["ZZTOP", "IBM"], wait_s=20)
    assert (found["ZZTOP"].cause, found["IBM"].usable) == ("no_such_symbol", True), "its price may be read all the same"
    assert stopwatch.seconds(began_ns, now_ns()) < 1
    [kept] = world.folder.glob("quotebus-*.symbols")
    assert kept.stat().st_mode & 0o777 == 0o600
    log = world.log(b"health.")
    log.wait(ConnectionHealth, lambda health: (health.desired, health.acknowledged) == (5, 2))


def test_a_kept_list_that_is_old_refuses_nothing_that_the_venue_has(world: World) -> None:
    _start(world)
    client = world.client()
    client.request(["SPY"], wait_s=10)
    kept = eventually_kept(world.folder)
    world.programs[-1].stop()
    kept.write_text('{"version":2,"read_ns":1000,"groups":[{"terms":[true,null,null],"symbols":["QQQ"]}]}')
    world.control.faults(rest_status=503)
    world.node()
    log = world.log(b"symbol.")
    assert client.request(["SPY", "IWM"], wait_s=20)["IWM"].usable
    world.control.faults(rest_status=None)
    assert not log.all(SymbolStatus, lambda status: status.state == "refused")


def eventually_kept(folder: Path) -> Path:
    eventually(lambda: list(folder.glob("*.symbols")), why="the file of symbols")
    return next(folder.glob("*.symbols"))


@pytest.mark.long
def test_the_session_is_the_one_that_the_simulator_is_set_to(world: World) -> None:
    _start(world)
    log = world.log(b"health.", b"decision.")
    worker = world.worker(EXECUTION_SYMBOLS="SPY", EXECUTION_INTERVAL_S="0.1")
    log.wait(ExecutionDecision, lambda decision: decision.decided_by == "trading/good")
    for session in ("pre", "overnight", "closed", "post", "regular"):
        position = log.position()
        world.control.session(session)
        log.wait(ConnectionHealth, lambda h, wanted=session: h.session == wanted, since=position)
        row = "no session/" if session != "regular" else "trading/good"
        log.wait(ExecutionDecision, lambda d, wanted=row: d.decided_by.startswith(wanted), since=position)
    assert worker.stop() == 0


def test_a_session_that_is_set_goes_before_the_simulators(world: World) -> None:
    _start(world, PRICING_SESSION="pre")
    log = world.log(b"health.")
    world.client().request(["SPY"], wait_s=10)
    log.wait(ConnectionHealth, lambda health: health.state == "streaming")
    assert {health.session for health in log.all(ConnectionHealth)} == {"pre"}


def test_without_a_clock_the_simulated_market_is_open(world: World) -> None:
    world.broker()
    world.exchange("--rate", "50")
    world.control.faults(rest_status=503)
    world.node()
    log = world.log(b"health.")
    world.client().request(["SPY"], wait_s=10)
    health, _ = log.wait(ConnectionHealth, lambda health: health.state == "streaming" and health.session != "unknown")
    assert health.session == "regular"


def test_a_worker_decides_no_order_for_what_the_venue_takes_none_for(world: World) -> None:
    world.broker()
    world.exchange("--rate", "50")
    world.control.faults(not_tradable=["IBM"], not_fractionable=["SPY"])
    world.node()
    client = world.client()
    assert client.request(["IBM"], wait_s=20)["IBM"].usable, "its price may be read all the same"
    log = world.log(b"decision.")
    world.worker(EXECUTION_SYMBOLS="SPY,IBM", EXECUTION_INTERVAL_S="0.1")
    log.wait(ExecutionDecision, lambda decision: decision.symbol == "SPY" and decision.decided_by == "trading/good")
    refused, _ = log.wait(ExecutionDecision, lambda decision: decision.decided_by == "orders not taken")
    assert (refused.symbol, refused.action, refused.reasons) == ("IBM", "refuse", ("orders_not_taken", "not_tradable"))
    asset = client.add(["SPY"], wait_s=20)["SPY"].asset
    assert asset is not None
    assert (asset.tradable, asset.lot) == (True, "1")
