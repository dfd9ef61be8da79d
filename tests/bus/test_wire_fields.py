"""The fields of halts, class, session and asset reach the user of both clients."""

from __future__ import annotations

from quotebus import AsyncBusClient, BusClient
from quotebus.bus.events import AckRow, AssetFacts, SymbolsRequested
from tests.support.aio import run, soon
from tests.support.bus import FakeNode, fake_node, running_broker
from tests.support.programs import eventually
from tests.support.samples import HEALTH

ASSET = AssetFacts(tradable=False, tick="0.01", lot="1", read_ns=9, near=("SPXY", "SPYG"))


def say_halted(node: FakeNode) -> None:
    def rows(request: SymbolsRequested) -> dict[str, object]:
        return {
            "results": tuple(
                AckRow(each, "halted", "halt", None, 0, "halted", "rest", 7, 1, ASSET) for each in request.symbols
            )
        }

    node.answers = rows


def test_of_a_client_with_a_thread() -> None:
    with running_broker() as settings, fake_node(settings) as node, BusClient(settings=settings) as client:
        say_halted(node)
        result = client.request(["SPY"], wait_s=5)["SPY"]
        eventually(lambda: client.health() is not None, why="a health is heard")
        health = client.health()
    assert (result.halt, result.halt_kind, result.halt_exchange_ns, result.rank) == ("halted", "rest", 7, 1)
    assert (result.asset, result.near) == (ASSET, ("SPXY", "SPYG"))
    assert str(result) == "SPY: halted (halt); did you mean SPXY or SPYG?"
    assert health is not None
    assert (health.feed_class, health.session, health.domain) == (HEALTH.feed_class, HEALTH.session, HEALTH.domain)


def test_of_a_client_on_a_loop() -> None:
    async def ask() -> None:
        with running_broker() as settings, fake_node(settings) as node:
            say_halted(node)
            async with AsyncBusClient(settings=settings) as client:
                result = (await client.request(["SPY"], wait_s=5))["SPY"]
                assert (result.halt, result.halt_kind, result.halt_exchange_ns, result.rank) == ("halted", "rest", 7, 1)
                assert (result.asset, result.near) == (ASSET, ("SPXY", "SPYG"))
                await soon(lambda: client.health() is not None, why="a health is heard")
                health = client.health()
                assert health is not None
                assert (health.feed_class, health.session) == (HEALTH.feed_class, HEALTH.session)

    run(ask())
