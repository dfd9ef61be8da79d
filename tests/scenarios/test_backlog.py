"""A broker that does not take more: quotes are conflated to the latest of each symbol, and each is accounted for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import zmq

from quotebus.bus import codec, topics
from quotebus.bus.clock import utc_ns
from quotebus.bus.events import (
    ConnectionHealth,
    Counters,
    Event,
    Quote,
    SymbolsAcknowledged,
    SymbolsRequested,
    SymbolStatus,
)
from quotebus.bus.sequence import Stamper
from quotebus.bus.transport.zeromq.sockets import Role, bind, make
from tests.support.programs import DEADLINE_S, Program, eventually
from tests.support.world import LOOPBACK, World

pytestmark = pytest.mark.zeromq

SYMBOLS = [f"SYM{number}" for number in range(50)]
HIGH_WATER_MARK, BUFFER = 2_000, 64 * 1024
"""Smaller than they are, so that all is full before a broker's silence ends the connection."""
CONTROL = (ConnectionHealth, SymbolStatus, SymbolsAcknowledged)
FULL = 20_000
"""Quotes that fill every queue on the way to a reader that has stopped reading, and then some."""
NODE = f"""
import sys, zmq
from quotebus.bus.transport.zeromq.sockets import Role
Role.PUBLISH.value[2].update({{zmq.SNDHWM: {HIGH_WATER_MARK}, zmq.SNDBUF: {BUFFER}}})
from quotebus.pricing.program import main
sys.exit(main([]))
"""


class StubbornBroker:
    """The broker's two data endpoints, played by the test so that it can stop reading and go on."""

    def __init__(self) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.publish, self.subscribe = (
            make(self.context, Role.BROKER_PUBLISH),
            make(self.context, Role.PUBLISH),  # tells who listens
        )
        self.publish.setsockopt(zmq.RCVHWM, HIGH_WATER_MARK // 2)
        self.publish.setsockopt(zmq.RCVBUF, BUFFER)
        self.publish_url = bind(self.publish, LOOPBACK["BUS_URL"])
        self.subscribe_url = bind(self.subscribe, LOOPBACK["BUS_URL"])
        self.publish.subscribe(b"")
        self.events: list[Event] = []

    def listens(self) -> None:
        """Wait until the node listens for requests."""
        while self.subscribe.poll(int(DEADLINE_S * 1000)):
            if self.subscribe.recv() == b"\x01" + topics.prefix(topics.REQUESTED):
                return
        raise AssertionError("the node listens for no request")

    def play_back(self) -> bool:
        """The node's own health, which it must hear before it becomes active; True when it is."""
        since = len(self.events)
        self.read(50)
        healths = [event for event in self.events[since:] if isinstance(event, ConnectionHealth)]
        for health in healths:
            self.subscribe.send(codec.encode(health))
        return any(health.state == "idle" for health in healths)

    def request(self, symbols: list[str]) -> None:
        """Send a request; each one in the name of another client."""
        name = f"stubborn-{symbols[0]}"
        request = SymbolsRequested(client=name, request_id="1", symbols=tuple(symbols), ttl_ms=120_000)
        self.subscribe.send(Stamper(f"{name}-000001").frame(request, utc_ns()))

    def read(self, quiet_ms: int = 0) -> bool:
        """Take what is there, waiting `quiet_ms` for more; whether anything came."""
        before = len(self.events)
        while self.publish.poll(quiet_ms):
            self.events.append(codec.decode(self.publish.recv()))
            quiet_ms = 0
        return len(self.events) > before

    def quotes(self, since: int = 0) -> list[Quote]:
        return [event for event in self.events[since:] if isinstance(event, Quote)]

    def counters(self) -> dict[str, int]:
        counters = [event.counters for event in self.events if isinstance(event, Counters)]
        return counters[-1] if counters else {}

    def position(self, what: Callable[[Event], bool]) -> int:
        return next(at for at, event in enumerate(self.events) if what(event))


@pytest.fixture
def broker() -> Iterator[StubbornBroker]:
    broker = StubbornBroker()
    yield broker
    broker.context.destroy(linger=0)


def test_every_quote_is_published_or_counted_in_a_later_one(world: World, broker: StubbornBroker) -> None:
    total, sent = overfill(world, broker)
    full_ns = utc_ns()
    for name in ("LATE", "LATER"):  # once the second is asked for upstream, the first one's answer is on its way
        broker.request([name])
        eventually(lambda name=name: name in world.control.state()["connections"][0]["symbols"]["quotes"])

    def accounted() -> Counter[str]:
        counted: Counter[str] = Counter()
        for quote in broker.quotes():
            counted[quote.symbol] += 1 + quote.conflated
        return counted

    eventually(lambda: broker.read(200) and accounted().total() >= total, why="all is read or counted")
    assert accounted() == sent()
    for symbol in SYMBOLS:
        quotes = [quote for quote in broker.quotes() if quote.symbol == symbol]
        assert [quote.seq for quote in quotes] == list(range(1, len(quotes) + 1)), "nothing is lost on the way"
        times = [quote.exchange_ns for quote in quotes]
        assert times == sorted(times), "never an older quote after a newer one"
    # As many as fit into a slot of time: on a busy machine that is not always the answer, which is the newest of them.
    control = broker.position(lambda event: isinstance(event, CONTROL) and event.published_ns > full_ns)
    assert any(quote.conflated for quote in broker.quotes(since=control)), "control goes before what waits"
    assert broker.position(lambda event: isinstance(event, SymbolsAcknowledged) and event.client == "stubborn-LATE")
    eventually(lambda: broker.read(200) and broker.counters().get("conflated", 0) > 0)
    assert broker.counters()["quotes_dropped"] == 0
    assert world.control.state()["tcp_accepted_total"] == 1


def test_without_conflation_what_is_given_up_is_a_counted_gap(world: World, broker: StubbornBroker) -> None:
    _, sent = overfill(world, broker, PRICING_CONFLATION="never")
    eventually(lambda: broker.read(200) and broker.counters().get("quotes_dropped", 0) > 0)
    world.control.rate(500)
    world.control.faults(mute=False)

    def last() -> Counter[str]:
        return Counter({quote.symbol: quote.seq for quote in broker.quotes()})

    given_up = sent()
    eventually(lambda: broker.read(200) and all(last()[symbol] > given_up[symbol] for symbol in SYMBOLS))
    world.control.faults(mute=True)
    eventually(lambda: broker.read(200) and last() == sent(), why="the last of each symbol has the last number")
    received = len(broker.quotes())
    eventually(lambda: broker.read(200) and broker.counters()["quotes"] == received)
    assert broker.counters()["quotes_dropped"] == sent().total() - received
    assert broker.counters()["conflated"] == 0
    assert not [quote for quote in broker.quotes() if quote.conflated]


def overfill(world: World, broker: StubbornBroker, **settings: str) -> tuple[int, Callable[[], Counter[str]]]:
    """Stop reading until every queue on the way is full; quotes sent until then, and how to count them by symbol."""
    world.environment |= {**LOOPBACK, "BUS_PUBLISH_URL": broker.publish_url, "BUS_SUBSCRIBE_URL": broker.subscribe_url}
    world.environment["BUS_REQUEST_URL"] = "tcp://127.0.0.1:1"
    world.exchange("--rate", "200", "--batch", "10")
    world.programs.append(Program("python", "-c", NODE, environment={**world.environment, **settings}))
    broker.listens()
    eventually(broker.play_back)
    broker.request(SYMBOLS)
    eventually(lambda: broker.read(50) and len({quote.symbol for quote in broker.quotes()}) == len(SYMBOLS))

    def total() -> int:
        return int(world.control.state()["connections"][0]["sent_quotes"])

    def by_symbol() -> Counter[str]:
        records = map(json.loads, world.audit.read_text().splitlines())
        return Counter(record["symbol"] for record in records if record.get("T") == "q")

    before = total()
    world.control.rate(0)
    eventually(lambda: total() - before > FULL, why="more than the queues on the way can hold")
    world.control.faults(mute=True)
    return total(), by_symbol
