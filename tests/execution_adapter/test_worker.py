"""The worker as a program: it says why it does not use a price, refuses halted symbols, and lets go at the end."""

from __future__ import annotations

from dataclasses import replace

from quotebus.bus.book import HaltKnowledge, Unusable
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import ExecutionDecision, MarketSession, SymbolState, SymbolStatus
from quotebus.bus.interest import SymbolResult
from quotebus.execution_adapter.settings import ExecutionSettings
from quotebus.execution_adapter.symbol_rounds import SymbolRounds
from quotebus.execution_adapter.worker import format_decision, list_awaited
from tests.execution_adapter.test_symbol_rounds import NOW_NS, verdict
from tests.support.judge import judge
from tests.support.programs import eventually
from tests.support.samples import like
from tests.support.world import World


def test_line_says_what_an_order_would_be_and_never_that_it_is_one() -> None:
    for judged, fallback, text in (
        (
            verdict(),
            "market",
            "SPY    would buy  1 limit 10.02  bid 10.00 ask 10.04  quote pricing-3f9c2a#7, 0.0 ms old",
        ),
        (verdict(ask=10.5), "market", "bid 10.00 ask 10.50  quote pricing-3f9c2a#7, 0.0 ms old  (spread_wide)"),
        (verdict(Unusable.TOO_OLD), "market", "SPY    would buy  1 market: too_old"),
        (verdict(Unusable.TOO_OLD), "refuse", "SPY    would not buy: too_old"),
    ):
        rounds = SymbolRounds(ExecutionSettings(execution_fallback=fallback), lambda symbol, now_ns, it=judged: it)
        rounds.decide("SPY", "buy", NOW_NS - NS_PER_S)
        decision = rounds.decide("SPY", "buy", NOW_NS)
        line = format_decision(rounds.event(decision, "w", "w-1", NOW_NS), judged)
        assert line.endswith(text)
        assert line.startswith("SPY    would ")


def test_what_is_waited_for_is_the_price_and_whether_it_trades() -> None:
    good, hopeless = verdict(), SymbolResult("QQQ", SymbolState.REFUSED)
    results = {"SPY": SymbolResult("SPY")}
    assert good.health is not None
    dark = replace(good, health=like(good.health, session=MarketSession.UNKNOWN))
    for judged, words in (
        (good, None),
        (verdict(Unusable.NO_QUOTE), ("no_quote",)),
        (replace(good, halt=HaltKnowledge.UNKNOWN), ("halt_unknown",)),
        (dark, ("session_unknown",)),
    ):
        awaited = list_awaited({**results, "QQQ": hopeless}, lambda symbol, it=judged: it)
        assert awaited == ({} if words is None else {"SPY": words})


def test_the_first_decisions_know_whether_the_symbols_trade(world: World) -> None:
    world.broker()
    world.exchange("--rate", "50")
    world.node()
    log = world.log(b"decision.")
    world.worker(EXECUTION_SYMBOLS="SPY,QQQ,AAPL", EXECUTION_PATIENCE_S="60")
    log.wait(ExecutionDecision)
    eventually(lambda: len(log.all(ExecutionDecision)) >= 3)
    for decision in log.all(ExecutionDecision)[:3]:
        assert decision.decided_by == "trading/good"
        assert not {"halt_unknown", "session_unknown"} & set(decision.reasons)


def test_without_a_node_the_fallback_says_why(world: World) -> None:
    world.broker()
    log = world.log(b"decision.")
    worker = world.worker(EXECUTION_PATIENCE_S="0", EXECUTION_SYMBOLS="SPY", EXECUTION_CLIENT="alone")
    decision, _ = log.wait(ExecutionDecision)
    assert (decision.action, decision.limit_price) == ("refuse", None)
    assert {"unconfirmed", "no_health", "no_quote", "halt_unknown", "session_unknown", "not_tradable"} <= set(
        decision.reasons
    )
    assert (decision.quote, decision.health, decision.status) == (("", 0), ("", 0), ("", 0))
    worker.line("decisions only, no orders are sent: SPY as alone")
    worker.line("SPY    would not buy: unconfirmed, no_health")
    assert worker.stop() == 0


def test_without_a_node_and_with_refuse_nothing_is_ordered(world: World) -> None:
    world.broker()
    log = world.log(b"decision.")
    worker = world.worker(EXECUTION_PATIENCE_S="0", EXECUTION_FALLBACK="refuse")
    decision, _ = log.wait(ExecutionDecision)
    assert decision.action == "refuse"
    worker.line("would not ")


def test_halted_symbol_is_refused_until_it_resumes(world: World) -> None:
    world.broker()
    world.exchange("--rate", "50")
    world.node()
    log = world.log()
    world.worker(EXECUTION_SYMBOLS="SPY,QQQ", EXECUTION_INTERVAL_S="0.02")

    def decided(symbol: str, action: str, since: int) -> object:
        return log.all(ExecutionDecision, lambda d: d.symbol == symbol and d.action == action, since=since)

    eventually(lambda: decided("SPY", "limit", 0))
    position = log.position()
    world.control.status("SPY", "H", tape="C")
    log.wait(SymbolStatus, lambda status: status.symbol == "SPY" and status.state == "halted")
    eventually(lambda: decided("SPY", "refuse", position))
    refused = log.all(ExecutionDecision, lambda d: d.symbol == "SPY" and d.action == "refuse", since=position)
    assert "halted" in refused[0].reasons
    position = log.position()
    eventually(lambda: decided("QQQ", "limit", position), why="the other symbol goes on")
    assert not decided("SPY", "market", 0)
    world.control.status("SPY", "T", tape="C")
    position = log.position()
    eventually(lambda: decided("SPY", "limit", position))
    eventually(lambda: judge(log, world.audit)["limit"] > 5)


def test_known_halt_counts_though_the_node_is_gone(world: World) -> None:
    world.broker()
    world.exchange("--rate", "50")
    node = world.node()
    log = world.log()
    world.worker(EXECUTION_SYMBOLS="SPY,QQQ", EXECUTION_INTERVAL_S="0.02")
    log.wait(ExecutionDecision, lambda decision: decision.action == "limit")
    world.control.status("SPY", "H", tape="C")
    log.wait(ExecutionDecision, lambda decision: decision.symbol == "SPY" and decision.action == "refuse")
    node.kill()
    collar, _ = log.wait(ExecutionDecision, lambda d: d.symbol == "QQQ" and "collar" in d.reasons)
    assert (collar.action, "health_silent" in collar.reasons) == ("limit", True)
    assert not log.all(ExecutionDecision, lambda d: d.symbol == "SPY" and d.action == "market")


def test_stopped_worker_lets_go_at_once(world: World) -> None:
    world.broker()
    world.exchange()
    world.node()
    log = world.log()
    worker = world.worker(EXECUTION_SYMBOLS="SPY")
    worker.line("limit")
    assert worker.stop(within_s=2) == 0
    released, _ = log.wait(SymbolStatus, lambda status: status.state == "released", within_s=3)
    assert released.cause == "no_demand"
