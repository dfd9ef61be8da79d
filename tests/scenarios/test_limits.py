"""The upstream's symbol limit, configured or learned: the highest priority stays, and the loser is told."""

from __future__ import annotations

from quotebus.bus.events import ConnectionHealth, SymbolStatus
from tests.support.programs import eventually
from tests.support.world import World


def states(results: dict[str, object]) -> dict[str, str]:
    return {symbol: getattr(result, "state", "") for symbol, result in results.items()}


def test_configured_limit_is_never_exceeded_and_priority_wins(world: World) -> None:
    world.broker()
    world.exchange("--symbol-limit", "3", "--rate", "100")
    world.node(PRICING_SYMBOL_LIMIT="3")
    log = world.log()
    low, high = world.client("low"), world.client("high")
    low.request(["AAA", "BBB", "CCC", "DDD"], priority=0)
    eventually(lambda: sorted(states(low.results()).values()) == ["evicted", "live", "live", "live"])
    assert low.results()["DDD"].cause == "symbol_limit", "the newcomer loses a tie"
    high.request(["EEE", "FFF"], priority=5)
    eventually(lambda: set(states(high.results()).values()) == {"live"})
    eventually(lambda: sorted(states(low.results()).values()) == ["evicted", "evicted", "evicted", "live"])
    told, _ = log.wait(SymbolStatus, lambda status: status.symbol == "CCC" and status.state == "evicted")
    assert told.cause == "symbol_limit"
    assert not low.usable("CCC")
    high.request([])
    eventually(lambda: sorted(states(low.results()).values()) == ["evicted", "live", "live", "live"])
    assert world.control.state()["tcp_accepted_total"] == 1
    assert not log.all(ConnectionHealth, lambda health: health.attempt > 0), "the limit was never hit"


def test_limit_is_learned_from_the_upstream(world: World) -> None:
    world.broker()
    world.exchange("--symbol-limit", "5", "--rate", "100")
    world.node(PRICING_SYMBOL_LIMIT="0")
    log = world.log()
    client = world.client("many")
    client.request([f"SYM{number}" for number in range(12)])
    eventually(lambda: sorted(states(client.results()).values()) == ["evicted"] * 7 + ["live"] * 5)
    assert states(client.results())["SYM0"] == "live", "who came first stays"
    eventually(lambda: client.usable("SYM0"))
    health, _ = log.wait(ConnectionHealth, lambda health: health.live == 5)
    assert (health.desired, health.acknowledged) == (12, 5)
    client.discard(["SYM0", "SYM1"])
    eventually(lambda: sorted(states(client.results()).values()) == ["evicted"] * 5 + ["live"] * 5)
    assert world.control.state()["tcp_accepted_total"] == 1
