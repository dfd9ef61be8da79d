"""One false message to the node, then silence of its author: its client's price is usable again within six seconds.

A request of the client and a health, of the node itself or of another one, with any one field at any extreme; on a
virtual clock, with the real client beside the real core.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import msgspec
import pytest

from quotebus.bus import codec
from quotebus.bus.clock import NS_PER_S, to_utc_ns
from quotebus.bus.consumer import Consumer
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import ConnectionHealth, Event, FeedClass, SymbolsRequested
from tests.support.core_rig import SOURCE, CoreRig
from tests.support.extremes import extremes
from tests.support.samples import HEALTH

STEP_S = 0.25
HEALED_NS = 6 * NS_PER_S
CLIENT = "worker-1"
OTHER = "pricing-000001"


class Bus(CoreRig):
    """A node and one client, which hear each other at once."""

    def __init__(self, *, moving: bool) -> None:
        self.moving = moving
        self.consumer = Consumer(
            CLIENT, "worker-0b51d7", jitter=0.5, max_age_ns=60 * NS_PER_S, accept=frozenset(FeedClass)
        )
        self.requests: list[SymbolsRequested] = []
        super().__init__()
        self.consumer.request(["SPY"], ("quotes",), 0, self.now_ns)
        self.live(1)
        self.tick()

    def _publish(self, event: Event) -> None:
        super()._publish(event)
        self.consumer.receive([codec.encode(event)], self.now_ns)

    def live(self, seconds: float) -> None:
        end_ns = self.now_ns + int(seconds * NS_PER_S)
        while self.now_ns < end_ns:
            self.run(STEP_S)
            asked = self.consumer.take_due(self.now_ns, to_utc_ns(self.now_ns))
            if asked is not None:
                request = codec.decode(asked)
                assert isinstance(request, SymbolsRequested)
                self.requests.append(request)
                self.take(request)
            if self.moving:
                self.tick()

    def take(self, event: Event) -> None:
        """What the node does with a message that can be read."""
        topic = b"symbols.requested\0" if isinstance(event, SymbolsRequested) else b"health.pricing\0"
        try:
            heard = codec.decode(topic + msgspec.msgpack.encode(event))
        except UndecodableMessage:
            return
        if isinstance(heard, SymbolsRequested):
            self.core.on_request(heard, self.now_ns)
        elif isinstance(heard, ConnectionHealth):
            self.core.on_health(heard, self.now_ns)
        self.settle()
        self.step()

    def tick(self) -> None:
        self.quote("SPY")
        slot = self.shared.slots.get("SPY")
        if slot is not None and slot.frame:
            self.consumer.receive([slot.frame], self.now_ns)

    def usable(self) -> bool:
        return self.consumer.book.assess("SPY", self.now_ns).usable


def forgeries(honest: Event) -> Iterator[Event]:
    for field in msgspec.structs.fields(type(honest)):
        for value in extremes(field.type, field.name, honest):
            for ahead in (0, 1, 50) if field.name in Event.__struct_fields__ else (1, 50):
                yield msgspec.structs.replace(honest, **{"seq": honest.seq + ahead, field.name: value})


def newest(bus: Bus, what: str) -> Event:
    if what == "request":
        return bus.requests[-1]
    if what == "own health":
        return bus.health()
    return msgspec.structs.replace(
        HEALTH, source=OTHER, seq=7, state="streaming", published_ns=to_utc_ns(bus.now_ns) + 1
    )


@pytest.mark.parametrize("moving", [True, False], ids=["moving", "quiet"])
@pytest.mark.parametrize("what", ["request", "own health", "another's health"])
def test_one_false_message_to_the_node_does_no_lasting_harm(what: str, moving: bool) -> None:
    settled = Bus(moving=moving)
    settled.live(6)
    assert settled.usable()
    assert settled.source == SOURCE
    frozen, failed = pickle.dumps(settled), []
    for forged in forgeries(newest(settled, what)):
        bus: Bus = pickle.loads(frozen)
        bus.take(forged)
        bus.live(HEALED_NS / NS_PER_S)
        if not bus.usable():
            failed.append((forged, bus.consumer.book.assess("SPY", bus.now_ns).reasons))
    assert not failed, (len(failed), [str(each)[:400] for each in failed[:8]])
