"""The broker inside the exchange: the ticks it watches, the requests it answers, the updates it sends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from decimal import Decimal

from quotebus.bus import clock
from quotebus.pricing.simulator.audit import Audit
from quotebus.pricing.simulator.encoding import Encoding, JsonEncoding
from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.halts import HALTING, RESUMING
from quotebus.pricing.simulator.records import Marked, Misshapen, Quote, Record, Sent, Trade, TradingStatus
from quotebus.pricing.simulator.settings import SimulatorSettings
from quotebus.pricing.simulator.trading.broker import Broker
from quotebus.pricing.simulator.trading.data_api import DataApi
from quotebus.pricing.simulator.trading.order import BrokerOrder
from quotebus.pricing.simulator.trading.order_session import FEED
from quotebus.pricing.simulator.trading.order_store import OrderEvent
from quotebus.pricing.simulator.trading.rest_api import Reply, RestApi, RestRequest
from quotebus.pricing.simulator.trading.tickets import RestError
from quotebus.pricing.simulator.trading.updates import Updates, build_update

_log = logging.getLogger(__name__)


class Inside(JsonEncoding):
    """The encoding of a receiver inside the exchange: no bytes of it are sent."""

    opcode = 0


class Brokerage:
    """A receiver of ticks, as a connection is, for the symbols with open orders."""

    feed = FEED
    encoding: Encoding = Inside()

    def __init__(
        self,
        settings: SimulatorSettings,
        faults: Faults,
        top: Callable[[str], Quote],
        data: DataApi,
        audit: Audit | None,
    ) -> None:
        self.has_room = True
        self.changed = False
        self._watched: frozenset[str] = frozenset()
        self._audit = audit
        self._now_ns = 0
        self._updates = Updates(faults)
        self._broker = Broker(settings.seed, Decimal(str(settings.cash)), faults, top, self._on_event)
        secret = settings.secret.get_secret_value()
        self._api = RestApi(self._broker, data, faults, settings.key, secret, settings.seed, settings.rest_limit)

    # What the market needs.

    def symbols(self, channel: str) -> Collection[str]:
        """The symbols with open orders."""
        return self._broker.orders.symbols if channel in ("quotes", "trades") else ()

    def take(self, record: Sent, data: bytes) -> None:  # noqa: ARG002
        """Match orders against a tick. They meet the real market, even if a fault made the record wrong."""
        if isinstance(record, Marked):
            record = record.record
        if isinstance(record, Trade):
            self._broker.on_trade(record.symbol, record.price, record.size)
        elif isinstance(record, Quote | Misshapen):
            self._broker.on_quote(record.symbol)

    def set_session(self, session: str) -> None:
        """Begin another session of the market."""
        self.at(self._now_ns)
        self._broker.set_session(session)

    def on_injected(self, record: Record) -> None:
        """Match orders against an injected record; a status halts or resumes its symbol."""
        self.at(self._now_ns)
        if isinstance(record, TradingStatus):
            if record.code in (*HALTING, *RESUMING):
                self._broker.halt(record.symbol, record.code in HALTING)
        elif record.symbol in self._broker.orders.symbols:
            self.take(record, b"")

    # What the loop needs.

    def at(self, now_ns: int) -> None:
        """Set the time for the calls that follow."""
        self._now_ns = now_ns
        self._broker.at(now_ns, clock.utc_ns())

    def turn(self) -> list[dict[str, object]]:
        """Do what is due. Returns the updates to send now."""
        self._broker.turn()
        return self._updates.due(self._now_ns)

    def take_new_symbols(self) -> list[str] | None:
        """The symbols that have open orders and had none before. None if the set is the same as last time."""
        if self._broker.orders.symbols == self._watched:
            return None
        new = self._broker.orders.symbols - self._watched
        self._watched = self._broker.orders.symbols
        return sorted(new)

    def next_ns(self) -> int | None:
        """When `turn` has something to do."""
        times = (self._broker.next_ns(), self._updates.next_ns())
        return min((time_ns for time_ns in times if time_ns is not None), default=None)

    def answer(self, request: RestRequest, now_ns: int) -> Reply:
        """Answer one REST request."""
        self.at(now_ns)
        return self._api.answer(request, clock.utc_ns())

    # What the control endpoint asks for.

    def force_event(self, order_id: str, event: str, reason: str) -> None:
        """Make an event happen to an order (by either id). ValueError if it may not come now."""
        self._broker.force_event(self._find(order_id), event, reason)

    def bust(self, order_id: str) -> None:
        """Take back an order's last execution. ValueError if there is none."""
        self._broker.bust(self._find(order_id))

    def correct(self, order_id: str, qty: Decimal, price: Decimal) -> None:
        """Put another execution in place of an order's last one. ValueError if it cannot be."""
        self._broker.correct(self._find(order_id), qty, price)

    def _find(self, order_id: str) -> BrokerOrder:
        self.at(self._now_ns)
        orders = self._broker.orders
        try:
            return orders.by_client_id.get(order_id) or orders.find(order_id)
        except RestError as refused:
            raise ValueError(str(refused)) from None

    def state(self) -> dict[str, object]:
        """Counters for display."""
        return {
            **self._broker.state(),
            "open": len(self._broker.orders.list_open()),
            "positions": {symbol: str(p.qty) for symbol, p in self._broker.account.positions.items()},
            "rest_requests_total": self._api.requests,
            "rest_order_requests_total": self._api.of_orders,
            "rest_limited_total": self._api.limited,
            "updates_lost": self._updates.lost,
            "updates_dropped": self._updates.dropped,
        }

    def _on_event(self, happened: OrderEvent) -> None:
        update = build_update(happened)
        _log.debug("order %s: %s", happened.order["id"], happened.event)
        self._updates.add(update, self._now_ns)
        if self._audit is not None:
            self._audit.write_order(happened.utc_ns, update)
