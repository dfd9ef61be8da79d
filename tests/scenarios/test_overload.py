"""A frozen and a slow reader beside a fast one: each one's losses are exactly the gaps it counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.perf.overload import SLOW_S, SYMBOLS, Subscriber, finish, unaccounted
from tests.support.programs import eventually
from tests.support.world import World

pytestmark = pytest.mark.zeromq

FLOOD = 80_000
"""Quotes: more than the broker holds for one reader, and what the kernel holds on top."""


@pytest.fixture
def subscribers(world: World) -> Iterator[list[Subscriber]]:
    world.broker()
    opened = [Subscriber(world.urls["subscribe"], pause_s) for pause_s in (0.0, SLOW_S, 0.0)]
    yield opened
    for subscriber in opened:
        subscriber.close()


@pytest.mark.long
def test_published_is_received_plus_counted_as_lost(world: World, subscribers: list[Subscriber]) -> None:
    world.exchange("--rate", "20000", "--batch", "20")
    world.node()
    bus = world.client("overload")
    bus.request(SYMBOLS, wait_s=20)
    subscribers[2].freeze()

    def sent() -> int:
        return int(world.control.state()["connections"][0]["sent_quotes"])

    eventually(lambda: sent() > FLOOD)
    fast, slow, frozen, published = finish(world, bus, subscribers)
    for name, report in (("fast", fast), ("slow", slow), ("frozen", frozen)):
        assert unaccounted(report, published) == 0, name
    assert sum(fast["gaps"].values()) == 0, "it lost nothing"
    assert fast["received"] == {symbol: published[symbol] - fast["first"][symbol] + 1 for symbol in SYMBOLS}
    assert sum(slow["gaps"].values()) > 0, "beyond the bound"
    assert sum(frozen["gaps"].values()) > 0, "the broker cut it and let go what waited"
