"""Many who ask at once and repeat: each is answered once for all that it has said while it waited."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns, utc_ns
from quotebus.bus.events import Counters, SymbolsAcknowledged, SymbolsRequested
from quotebus.bus.sequence import Stamper, source_name
from quotebus.bus.transport.engines import find_own_name, open_engine
from quotebus.bus.transport.line import Publisher
from tests.support.programs import eventually
from tests.support.world import World

CLIENTS, REPEATS, EACH = 200, 5, 20
BESIDE = 8
"""Clients on one connection: the broker takes no more names from one."""


class Asker:
    """One of `BESIDE` on one connection; it repeats its question as clients do."""

    def __init__(self, world: World, number: int, requester: Publisher) -> None:
        self.name = world.name_of(f"many{number}")
        self._requester = requester
        self._stamper = Stamper(source_name(find_own_name(world.settings().bus_address) or self.name, number))
        self._symbols = tuple(f"S{number % 40}X{each}" for each in range(EACH))

    def ask(self) -> None:
        request = SymbolsRequested(client=self.name, request_id=f"{self.name}:1", symbols=self._symbols)
        frame = self._stamper.frame(request, utc_ns())
        eventually(lambda: self._requester.send(frame) or self._requester.await_room(NS_PER_MS))
        self._requester.flush()


def open_askers(world: World, opened: ExitStack) -> list[Asker]:
    askers: list[Asker] = []
    for first in range(0, CLIENTS, BESIDE):
        engine = open_engine(world.settings().bus_address)
        opened.callback(engine.close, 0)
        requester = engine.requester()
        requester.connect()
        eventually(lambda each=requester: (each.news() and each.connected) or each.await_news(NS_PER_MS))  # type: ignore[misc]
        askers += [Asker(world, first + each, requester) for each in range(BESIDE)]
    return askers


@pytest.mark.engines
def test_repeats_that_wait_together_are_answered_once(world: World) -> None:
    """A frozen node stands for one that is behind. To answer each repeat would keep it behind."""
    world.broker()
    world.exchange("--rate", "100")
    node = world.node()
    log = world.log(b"health.", b"symbols.acknowledged.", b"counters.")
    log.health("idle")
    with ExitStack() as opened:
        askers = open_askers(world, opened)
        node.freeze()
        for _ in range(REPEATS):
            for asker in askers:
                asker.ask()
        node.thaw()
        again_ns = now_ns()

        def all_answered() -> bool:
            """Those that are not ask again: the bus may have lost what it kept for a frozen node."""
            nonlocal again_ns
            answered = {answer.client for answer in log.all(SymbolsAcknowledged)}
            if now_ns() - again_ns > NS_PER_S:
                again_ns = now_ns()
                for asker in askers:
                    if asker.name not in answered:
                        asker.ask()
            return len(answered) == CLIENTS

        eventually(all_answered)
        end, _ = log.wait(
            Counters,
            lambda said: said.counters.get("ack_parts", 0) >= CLIENTS and _all_answered(said),
            since=log.position(),
        )
    assert all(len(answer.results) == EACH for answer in log.all(SymbolsAcknowledged))
    assert end.counters["requests_overtaken"] >= CLIENTS, "what has come together is answered together"


def _all_answered(said: Counters) -> bool:
    return said.counters["ack_parts"] + said.counters["requests_overtaken"] == said.counters["requests"]
