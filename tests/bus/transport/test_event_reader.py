"""An event reader hears everything of its kinds in order, and notices that the broker went away."""

from __future__ import annotations

from quotebus.bus.events import Event, TradeIntent
from quotebus.bus.transport.event_reader import EventReader
from tests.support.programs import eventually
from tests.support.world import World


def intent(number: int) -> TradeIntent:
    return TradeIntent(
        client="eyes", intent_id=str(number), symbol="SPY", side="buy", qty=1.0, urgency="", deadline_ns=0
    )


def test_hears_its_kinds_in_order_and_notices_a_broker_that_goes(world: World) -> None:
    broker = world.broker()
    reader = EventReader(world.settings().bus_address, b"intent.")
    try:
        client = world.client("eyes")
        heard: list[Event] = []

        def listen() -> bool:
            client.publish(intent(0))
            heard.extend(reader.take(0.05))
            return bool(heard)

        eventually(listen)
        heard.clear()
        for number in range(1, 21):
            client.publish(intent(number))
        eventually(lambda: heard.extend(reader.take(0.05)) or len([e for e in heard if _number(e) > 0]) == 20)
        assert [_number(e) for e in heard if _number(e) > 0] == list(range(1, 21))
        assert reader.breaks == 0
        broker.kill()
        eventually(lambda: reader.take(0.05) == [] and reader.breaks > 0)
    finally:
        reader.close()


def _number(event: Event) -> int:
    assert isinstance(event, TradeIntent)
    return int(event.intent_id)
