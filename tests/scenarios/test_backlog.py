"""A broker that does not take more: quotes are conflated to the latest of each symbol, and each is accounted for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest
import zmq

from bus import codec, topics
from bus.clock import utc_ns
from bus.events import Counters, Event, Quote, SymbolsRequested
from bus.sequence import Stamper
from bus.transport.sockets import Role, bind, make
from tests.support.programs import DEADLINE_S, eventually
from tests.support.world import LOOPBACK, World

SYMBOLS = [f"SYM{number}" for number in range(50)]
FULL = 100_000
"""Quotes that fill every queue on the way to a reader that has stopped reading, and then some."""


class StubbornBroker:
    """The broker's two data endpoints, played by the test so that it can stop reading and go on."""

    def __init__(self) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.publish, self.subscribe = (
            make(self.context, Role.BROKER_PUBLISH),
            make(self.context, Role.BROKER_SUBSCRIBE),
        )
        self.publish.setsockopt(zmq.RCVHWM, 1_000)
        self.publish.setsockopt(zmq.RCVBUF, 64 * 1024)
        self.publish_url = bind(self.publish, LOOPBACK["BUS_PUBLISH_URL"])
        self.subscribe_url = bind(self.subscribe, LOOPBACK["BUS_SUBSCRIBE_URL"])
        self.publish.send(b"\x01")  # everything
        self.events: list[Event] = []

    def ask(self, symbols: list[str]) -> None:
        """Send a request as soon as the node listens for one."""
        while self.subscribe.poll(int(DEADLINE_S * 1000)):
            if self.subscribe.recv() == b"\x01" + topics.prefix(topics.REQUESTED):
                break
        request = SymbolsRequested(client="stubborn", request_id="1", symbols=tuple(symbols), ttl_ms=120_000)
        self.subscribe.send(Stamper("test-000001").frame(request, utc_ns()))

    def read(self, quiet_ms: int = 0) -> bool:
        """Take what is there, waiting `quiet_ms` for more; whether anything came."""
        before = len(self.events)
        while self.publish.poll(quiet_ms):
            self.events.append(codec.decode(self.publish.recv()))
            quiet_ms = 0
        return len(self.events) > before

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def broker() -> Iterator[StubbornBroker]:
    broker = StubbornBroker()
    yield broker
    broker.context.destroy(linger=0)


def test_every_quote_is_published_or_counted_in_a_later_one(world: World, broker: StubbornBroker) -> None:
    world.environment |= {"BUS_PUBLISH_URL": broker.publish_url, "BUS_SUBSCRIBE_URL": broker.subscribe_url}
    world.exchange("--rate", "200", "--batch", "10")
    world.node()
    broker.ask(SYMBOLS)
    eventually(lambda: broker.read(50) and len({q.symbol for q in broker.of(Quote) if isinstance(q, Quote)}) == 50)

    def sent() -> int:
        return int(world.control.state()["connections"][0]["sent_quotes"])

    before = sent()
    world.control.rate(0)
    eventually(lambda: sent() - before > FULL, why="more than the queues on the way can hold")
    world.control.faults(mute=True)
    total = sent()

    def accounted() -> Counter[str]:
        counted: Counter[str] = Counter()
        for quote in broker.of(Quote):
            assert isinstance(quote, Quote)
            counted[quote.symbol] += 1 + quote.conflated
        return counted

    eventually(lambda: broker.read(200) and accounted().total() >= total, why="all is read or counted")
    expected: Counter[str] = Counter()
    for line in world.audit.read_text().splitlines():
        record = json.loads(line)
        if record.get("T") == "q":
            expected[record["symbol"]] += 1
    assert accounted() == expected
    assert any(isinstance(event, Quote) and event.conflated for event in broker.events)
    for symbol in SYMBOLS:
        quotes = [quote for quote in broker.of(Quote) if isinstance(quote, Quote) and quote.symbol == symbol]
        assert [quote.seq for quote in quotes] == list(range(1, len(quotes) + 1)), "nothing is lost on the way"
        times = [quote.exchange_ns for quote in quotes]
        assert times == sorted(times), "never an older quote after a newer one"
    eventually(lambda: broker.read(200) and _counters(broker).get("conflated", 0) > 0)
    assert _counters(broker)["quotes_dropped"] == 0
    assert world.control.state()["tcp_accepted_total"] == 1


def _counters(broker: StubbornBroker) -> dict[str, int]:
    counters = [event.counters for event in broker.events if isinstance(event, Counters)]
    return counters[-1] if counters else {}
