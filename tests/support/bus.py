"""A broker in this process, and a pricing node that does as it is told."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
import zmq

from quotebus import BusClient
from quotebus.bus import codec, topics
from quotebus.bus.address import IpcAddress, NatsAddress
from quotebus.bus.base_client import BaseClient
from quotebus.bus.clock import NS_PER_S, now_ns, utc_ns
from quotebus.bus.events import AckRow, Event, Quote, SymbolsAcknowledged, SymbolsRequested
from quotebus.bus.interest import SymbolResult
from quotebus.bus.sequence import Stamper
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.zeromq.broker import Broker
from quotebus.bus.transport.zeromq.coverage import Coverage
from quotebus.bus.transport.zeromq.endpoints import Endpoints
from quotebus.bus.transport.zeromq.sockets import Role, connect, make
from tests.support.programs import eventually
from tests.support.samples import HEALTH, QUOTE, like

FREE = BusSettings(bus_url="tcp://127.0.0.1:0", bus_plain_loopback=True)
NOBODY = BusSettings(
    bus_publish_url="tcp://127.0.0.1:1",
    bus_subscribe_url="tcp://127.0.0.1:1",
    bus_request_url="tcp://127.0.0.1:1",
    bus_plain_loopback=True,
)
"""No broker listens there."""


def settings_of(broker: Broker) -> BusSettings:
    return BusSettings(
        bus_publish_url=broker.publish_url,
        bus_subscribe_url=broker.subscribe_url,
        bus_request_url=broker.request_url,
        bus_plain_loopback=True,
    )


def environment_of(settings: BusSettings) -> dict[str, str]:
    """The variables by which a program finds the same bus."""
    values = {name.upper(): getattr(settings, name) for name in BusSettings.model_fields}
    return {name: str(value) for name, value in values.items() if value}


def set_environment(monkeypatch: pytest.MonkeyPatch, settings: BusSettings) -> None:
    """Let programs that run in this process find this bus and no other."""
    found = environment_of(settings)
    for name in BusSettings.model_fields:
        monkeypatch.setenv(name.upper(), found.get(name.upper(), ""))


@contextmanager
def running_broker(settings: BusSettings = FREE) -> Iterator[BusSettings]:
    """A broker in a thread; gives the settings with its real ports."""
    broker = Broker(settings)
    thread = threading.Thread(target=broker.run, daemon=True)
    thread.start()
    try:
        yield settings if isinstance(settings.bus_address, IpcAddress) else settings_of(broker)
    finally:
        broker.stop()
        thread.join(5)
        assert not thread.is_alive()


class FakeNode:
    """Streams health, keeps every request it hears, and acknowledges those after the first `deaf` ones."""

    def __init__(
        self, settings: BusSettings, *, source: str = "pricing-fake01", deaf: int = 0, quotes: bool = False
    ) -> None:
        self.requests: list[SymbolsRequested] = []
        self.state = "streaming"
        self.answers: Callable[[SymbolsRequested], dict[str, object]] = lambda _: {}
        self._settings = settings
        self._stamper = Stamper(source)
        self._deaf = deaf
        self._quotes = quotes
        self._outbox: deque[Event] = deque()
        self._held: dict[str, bytes] = {}
        self._ending = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(20)

    def close(self) -> None:
        self._ending.set()
        self._thread.join(5)

    def publish(self, *events: Event) -> None:
        self._outbox.extend(events)

    def lose(self, event: Event) -> None:
        """Number an event that nobody gets; what was published before must have arrived."""
        self._stamper.stamp(event, utc_ns())

    def tick(self, symbol: str, count: int = 1) -> None:
        """Quotes of this symbol, numbered on by the stamper."""
        self.publish(*(like(QUOTE, symbol=symbol) for _ in range(count)))

    def _run(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        publisher, subscriber = make(context, Role.PUBLISH), make(context, Role.SUBSCRIBE)
        address = self._settings.bus_address
        assert not isinstance(address, NatsAddress)
        endpoints = Endpoints.find(address)
        connect(publisher, endpoints.publish)
        subscriber.subscribe(topics.prefix(topics.REQUESTED))
        connect(subscriber, endpoints.subscribe)
        coverage = Coverage()
        health_ns = 0
        while not self._ending.is_set():
            subscriber.poll(5)
            while publisher.poll(0):
                coverage.feed(publisher.recv())
            while subscriber.poll(0):
                request = codec.decode(subscriber.recv())
                assert isinstance(request, SymbolsRequested)
                self.requests.append(request)
                for symbol in request.symbols if self._quotes else ():
                    if symbol not in self._held:
                        self._hold(self._stamper.frame(like(QUOTE, symbol=symbol), utc_ns()), symbol)
                if len(self.requests) > self._deaf:
                    self._outbox.append(self._answer(request))
            if now_ns() >= health_ns:
                health_ns = now_ns() + NS_PER_S // 5
                self._outbox.append(like(HEALTH, state=self.state))
            while self._outbox:
                event = self._outbox.popleft()
                if isinstance(event, SymbolsAcknowledged):
                    event = msgspec.structs.replace(event, results=tuple(map(self._announce, event.results)))
                frame = self._stamper.frame(event, utc_ns())
                if isinstance(event, Quote):
                    self._hold(frame, event.symbol)
                publisher.send(frame)
            self._ready.set()
        context.destroy(linger=0)

    def _hold(self, frame: bytes, symbol: str) -> None:
        self._held[symbol] = frame.partition(b"\0")[2]

    def _announce(self, row: AckRow) -> AckRow:
        """A row that says nothing of quotes gets the newest one's number, as a node's has it."""
        held = self._held.get(row.symbol)
        if held is None or row.last_quote_seq:
            return row
        return msgspec.structs.replace(row, last_quote=held, last_quote_seq=codec.decode_payload("quote", held).seq)

    def _answer(self, request: SymbolsRequested) -> SymbolsAcknowledged:
        rows = tuple(AckRow(symbol, "live", "demand", None, 0) for symbol in request.symbols)
        plain = SymbolsAcknowledged(
            client=request.client,
            request_id=request.request_id,
            results=rows,
            cause="demand",
            lease_ms=request.ttl_ms if rows else 0,
            part=1,
            parts=1,
        )
        return like(plain, **self.answers(request))


def ask(client: BusClient, symbols: list[str] | str, **arguments: Any) -> dict[str, SymbolResult]:
    """Request and wait for the answer, of a node that may have no quote."""
    return answered(client, client.request(symbols, **arguments))


def answered(client: BusClient, _: object = None) -> dict[str, SymbolResult]:
    """The results when every one that can be has been answered."""
    eventually(lambda: is_answered(client))
    return client.results()


def is_answered(client: BaseClient[Any]) -> bool:
    return all(result.acknowledged or result.state == "refused" for result in client.results().values())


@contextmanager
def fake_node(
    settings: BusSettings, *, source: str = "pricing-fake01", deaf: int = 0, quotes: bool = False
) -> Iterator[FakeNode]:
    """With `quotes` whoever asks for a symbol gets one."""
    node = FakeNode(settings, source=source, deaf=deaf, quotes=quotes)
    try:
        yield node
    finally:
        node.close()
