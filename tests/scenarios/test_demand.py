"""Symbols come and go on the open line; the last one gone, the line lingers and ends."""

from __future__ import annotations

import pytest

from quotebus import Reasons
from quotebus.bus.clock import now_ns
from quotebus.bus.events import ConnectionHealth, Quote, SymbolStatus
from tests.support.programs import eventually
from tests.support.stopwatch import Stopwatch
from tests.support.world import World


def test_adding_a_symbol_leaves_the_others_alone(world: World) -> None:
    world.broker()
    world.exchange("--rate", "300")
    world.node()
    log = world.log()
    first, second = world.client("first"), world.client("second")
    first.request(["SPY", "QQQ"], wait_s=10)
    second.request(["AAPL"], wait_s=10)
    first.add("MSFT", wait_s=10)
    assert first.usable("MSFT")
    position = log.position()
    eventually(lambda: len(log.all(Quote, since=position)) > 100)
    quotes = log.all(Quote)
    assert {quote.connection for quote in quotes} == {1}
    for symbol in ("SPY", "QQQ", "AAPL", "MSFT"):
        numbers = [quote.seq for quote in quotes if quote.symbol == symbol]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), f"a gap in {symbol}"
    assert not log.all(ConnectionHealth, lambda health: health.connection > 1)
    assert world.control.state()["tcp_accepted_total"] == 1


def test_last_one_gone_lingers_then_idles_then_connects_again(world: World, stopwatch: Stopwatch) -> None:
    world.broker()
    world.exchange()
    world.node(PRICING_LINGER_S="3")
    log = world.log()
    client = world.client("only")
    client.request(["SPY", "QQQ"], wait_s=10)
    position = log.position()
    client.discard("SPY")
    client.discard(["QQQ"])
    lingering, at_ns = log.wait(
        ConnectionHealth, lambda health: health.cause == "lingering" and health.desired == 0, since=position
    )
    assert lingering.state == "streaming"
    began_ns = now_ns()
    eventually(lambda: not world.control.state()["connections"][0]["symbols"])
    took_s = stopwatch.seconds(began_ns)
    assert took_s < 2.5
    _, idle_ns = log.health("idle", since=position)
    assert (idle_ns - at_ns) / 1e9 > 2.8, "the linger is three seconds"
    assert stopwatch.seconds(at_ns, idle_ns) < 4.5
    eventually(lambda: not world.control.state()["connections"])
    client.request(["SPY"], wait_s=10)
    assert client.usable("SPY")
    again, _ = log.wait(ConnectionHealth, lambda health: health.connection == 2 and health.state == "streaming")
    assert again.attempt == 0


def test_asking_again_while_lingering_keeps_the_line(world: World) -> None:
    world.broker()
    world.exchange("--rate", "100")
    world.node(PRICING_LINGER_S="30")
    log = world.log()
    client = world.client("only")
    client.request(["SPY"], wait_s=10)
    client.request([])
    log.wait(ConnectionHealth, lambda health: health.cause == "lingering")
    client.request(["SPY"], wait_s=10)
    assert client.usable("SPY")
    assert world.control.state()["tcp_accepted_total"] == 1


def test_closing_a_client_releases_at_once(world: World) -> None:
    world.broker()
    world.exchange()
    world.node()
    log = world.log()
    client = world.client("polite")
    client.request(["SPY"], wait_s=10)
    client.close()
    released, _ = log.wait(SymbolStatus, lambda status: status.state == "released", within_s=2)
    assert released.cause == "no_demand"


@pytest.mark.engines
def test_late_worker_has_a_price_before_the_next_tick(world: World) -> None:
    world.broker()
    world.exchange()
    world.node()
    log = world.log()
    early, late = world.client("early"), world.client("late")
    early.request(["QUIETA"], wait_s=10)
    held = early.last_quote("QUIETA")
    assert held is not None
    feed = late.quotes(timeout_s=5)
    late.request(["QUIETA"], wait_s=5)
    assert late.usable("QUIETA"), late.assess("QUIETA").reasons
    assert late.last_quote("QUIETA") == held
    assert next(iter(feed)) == held
    log.wait(Quote)  # the log has a thread of its own, which may be behind the clients'
    assert len(log.all(Quote)) == 1, "it ticked once: the second price came with the acknowledgement"


def test_lost_last_quote_is_noticed_and_the_older_one_not_used(world: World) -> None:
    world.broker()
    world.exchange("--faults", "mute")
    world.node()
    client = world.client("lossy")
    client.request(["SPY"])
    eventually(lambda: world.control.quote("SPY", 560.00, 560.02))
    eventually(lambda: client.usable("SPY"))
    receive = client._consumer.receive

    def lose_quotes(frames: list[bytes], received_ns: int) -> object:
        return receive([frame for frame in frames if not frame.startswith(b"quote.")], received_ns)

    client._consumer.receive = lose_quotes  # type: ignore[method-assign, assignment]
    world.control.quote("SPY", 550.00, 550.02)
    told: list[Reasons] = []  # the answer to what the client asks then ends it soon

    def is_told() -> bool:
        told.append(client.assess("SPY").reasons)
        return told[-1] not in ((), ("reader_behind",))  # the latter where the machine is busy

    eventually(is_told, why="the status announces a newer quote")
    assert told[-1] == ("lost_newer",)
    client._consumer.receive = receive  # type: ignore[method-assign]
    world.control.quote("SPY", 550.01, 550.03)
    eventually(lambda: client.usable("SPY"))
