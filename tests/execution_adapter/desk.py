"""The simulator's broker on a virtual clock, reached as the worker reaches it: through its gateway and HTTP answers.

No socket, no thread: a request arrives some virtual milliseconds after it was sent, its answer as much later. Either
may be lost, and a request whose deadline has passed may arrive all the same.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import count
from random import Random
from urllib.parse import urlsplit

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.execution_adapter.decision.assessment import Assessment
from quotebus.execution_adapter.gateways.base import ask
from quotebus.execution_adapter.gateways.simulator import SimulatorGateway, _Reply
from quotebus.execution_adapter.gateways.unsent import refuse_unsent
from quotebus.execution_adapter.orders.order import (
    CLOCK,
    Answer,
    Command,
    QueryClock,
    QueryPosition,
    Report,
    SubmitOrder,
    Unknown,
    read_update,
)
from quotebus.pricing.orders import messages
from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.records import Quote
from quotebus.pricing.simulator.trading.broker import Broker
from quotebus.pricing.simulator.trading.data_api import DataApi
from quotebus.pricing.simulator.trading.order import BrokerOrder
from quotebus.pricing.simulator.trading.order_store import OrderEvent
from quotebus.pricing.simulator.trading.rest_api import RestApi, RestRequest
from quotebus.pricing.simulator.trading.updates import Updates, build_update
from tests.execution_adapter.search import World

STEP_NS = 100 * NS_PER_MS
START_NS = 1_000 * NS_PER_S
MIDNIGHT_NS = 1_795_824_000 * NS_PER_S
"""2026-11-28T00:00:00Z."""
Listener = Callable[[Answer], None]


class DeskGateway(SimulatorGateway):
    """The gateway to the simulator with the network taken out."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(f"http://127.0.0.1:1{desk.random.choice(['', '/v2', '/v2/'])}", "key", "secret", 3)
        self._desk = desk

    def _request(self, method: str, path: str, body: dict[str, object] | None = None) -> _Reply:
        parts = urlsplit(f"{self._path}{path}")
        payload = b"" if body is None else json.dumps(body).encode()
        headers = {name.lower(): value for name, value in self._headers.items()}
        request = RestRequest(method, parts.path, parts.query, headers, payload)
        reply = self._desk.api.answer(request, self._desk.utc_ns)
        if reply.lost:
            raise TimeoutError(reply.lost)
        wait = reply.headers.get("Retry-After")
        body = None if isinstance(reply.value, bytes) else reply.value
        return _Reply(reply.status, body, int(wait) * NS_PER_S if wait else None)


class Desk:
    """Market, broker and line. `books` are the judge: what the broker has really done."""

    def __init__(self, seed: int, symbols: Iterable[str], utc_ns: int = MIDNIGHT_NS + 15 * 3600 * NS_PER_S) -> None:
        self.random = Random(f"desk/{seed}")
        self.now_ns = START_NS
        self._offset_ns = utc_ns - START_NS
        self.markets = {symbol: World(self.random) for symbol in symbols}
        self.faults = Faults(Random(f"faults/{seed}"))
        self.broker = Broker(seed, Decimal(10**9), self.faults, self._top, self._on_event)
        self.api = RestApi(self.broker, DataApi(lambda *_: None, lambda *_: None), self.faults, "", "", seed)
        self.gateway = DeskGateway(self)
        self.listeners: list[Listener] = []
        self.under_way = 0
        self.lying: Callable[[Answer], Answer] = lambda answer: answer
        self._updates = Updates(self.faults)
        self._tops: dict[str, Quote] = {}
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()

    @property
    def utc_ns(self) -> int:
        return self.now_ns + self._offset_ns

    def set_utc(self, utc_ns: int) -> None:
        """It is another time of day."""
        self._offset_ns = utc_ns - self.now_ns

    def pass_time(self, gap_ns: int) -> None:
        """A gap in which nobody works: what is under way arrives, and nothing else happens."""
        until_ns = self.now_ns + gap_ns
        while self.now_ns < until_ns and (self._due or self.broker.next_ns() is not None):
            self.step()
        self.now_ns = max(self.now_ns, until_ns)

    def step(self) -> None:
        """A tenth of a second: the market moves, orders meet it, requests and answers and updates arrive."""
        self.now_ns += STEP_NS
        self.broker.at(self.now_ns, self.utc_ns)
        for symbol, market in self.markets.items():
            market.now_ns = self.now_ns
            if not self.still and self.random.random() < 0.3:
                move = Decimal(self.random.randint(-2, 2)) / 100
                market.bid, market.ask = market.bid + move, market.ask + move
                self._tops.pop(symbol, None)
                if symbol in self.broker.orders.symbols:
                    self.broker.on_quote(symbol)
        while self._due and self._due[0][0] <= self.now_ns:
            heapq.heappop(self._due)[2]()
        self.broker.turn()
        for update in self._updates.due(self.now_ns):
            data = update["data"]
            if isinstance(data, dict):
                self.tell(read_update(messages.read_update(data, "local", self.utc_ns)))

    def tell(self, answer: Answer) -> None:
        """What the order stream says, to everybody who listens."""
        for listener in list(self.listeners):
            listener(answer)

    def connect(self, listener: Listener) -> Callable[[Command], None]:
        """A worker's line: how it sends. It hears answers while it is in `listeners`."""
        self.listeners.append(listener)

        def send(command: Command) -> None:
            self.under_way += 1
            if self.away:
                self._later(1, lambda: self._answer(listener, _unconnected(command)))
                return
            roll, name = self.random.random(), _name(command)
            if roll < self.loss:
                self._later(3_000, lambda: self._answer(listener, Unknown(name, "no answer: TimeoutError")))
                if roll < self.loss / 2:  # it was on its way all the time
                    self._later(self.random.randint(*self.late_ms), lambda: ask(self.gateway, command))
                return
            self._later(self.random.randint(0, 250), lambda: self._serve(listener, command))

        return send

    away = False
    """There is no broker to connect to."""
    loss = 0.0
    late_ms = (2_000, 6_000)
    """When a request arrives that was lost to its sender."""
    still = False
    """The market does not move."""

    def _serve(self, listener: Listener, command: Command) -> None:
        answer = self.lying(ask(self.gateway, command))
        self._later(self.random.randint(0, 250), lambda: self._answer(listener, answer))

    def _answer(self, listener: Listener, answer: Answer) -> None:
        self.under_way -= 1
        if listener in self.listeners:
            listener(answer)

    def _later(self, delay_ms: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now_ns + delay_ms * NS_PER_MS, next(self._numbers), act))

    # the market and the books

    def assess(self, symbol: str) -> Assessment:
        return self.markets[symbol].assessment()

    def _top(self, symbol: str) -> Quote:
        if symbol not in self._tops:
            market, size = self.markets[symbol], float(self.random.randint(1, 6))
            self._tops[symbol] = Quote(symbol, "V", float(market.bid), size, "V", float(market.ask), size, "C", 0)
        return self._tops[symbol]

    def orders(self, intent_id: str) -> list[BrokerOrder]:
        """The broker's orders of an intent, oldest first: those put in place of ours, not what they replaced."""
        return [
            order
            for order in self.broker.orders.by_id.values()
            if self.root(order).rpartition("-")[0] == intent_id and order.replaced_by is None
        ]

    def root(self, order: BrokerOrder) -> str:
        """The client order id of the order that this one, or the one it replaced, began as."""
        while order.replaces is not None:
            order = self.broker.orders.by_id[order.replaces]
        return order.ticket.client_order_id

    def filled(self, intent_id: str) -> Decimal:
        """An order's count begins with what the one before it in its place had filled."""
        return sum((order.filled_qty for order in self.orders(intent_id)), Decimal(0))

    def open(self) -> list[str]:
        return [self.root(order) for order in self.broker.orders.list_open()]

    def _on_event(self, happened: OrderEvent) -> None:
        self._updates.add(build_update(happened), self.now_ns)


def report_of(order: BrokerOrder, status: str, filled: Decimal | None) -> Report:
    """An event of the order stream that claims this of an order."""
    from quotebus.execution_adapter.orders.order import read_status

    return Report(
        order.ticket.client_order_id, read_status(status), filled, Decimal(10), order.order_id, None, word=status
    )


def _unconnected(command: Command) -> Answer:
    if isinstance(command, SubmitOrder):
        return refuse_unsent(_name(command), "ConnectionRefusedError")
    return Unknown(_name(command), "no answer: ConnectionRefusedError")


def _name(command: Command) -> str:
    if isinstance(command, SubmitOrder):
        return command.order.client_order_id
    if isinstance(command, QueryClock):
        return CLOCK
    return command.request_id if isinstance(command, QueryPosition) else command.client_order_id
