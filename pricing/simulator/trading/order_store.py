"""Every order of the account, open or over, and the one place where an order's status changes. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from quotebus.pricing.simulator.symbols import WELL_KNOWN
from quotebus.pricing.simulator.trading.matching import Fill
from quotebus.pricing.simulator.trading.order import CLOSED, BrokerOrder, Execution, Ticket
from quotebus.pricing.simulator.trading.tickets import order_not_found

MOST_ASSETS = 250_000


class OrderEvent(NamedTuple):
    """Something that happened to an order: its entity at that time, and the execution, if it was one."""

    event: str
    order: dict[str, object]
    utc_ns: int
    execution_id: str
    fill: Fill | None = None
    position_qty: Decimal | None = None
    reason: str = ""
    previous_execution_id: str = ""


class OrderStore:
    """Orders by id. `symbols` are those with open orders; `report` is called with every event."""

    def __init__(self, seed: int, report: Callable[[OrderEvent], None]) -> None:
        self.by_id: dict[str, BrokerOrder] = {}
        self.by_client_id: dict[str, BrokerOrder] = {}
        self.symbols: frozenset[str] = frozenset()
        self._open: dict[str, dict[str, BrokerOrder]] = {}
        self._symbols: dict[str, str] = {}
        for symbol in WELL_KNOWN:
            self.asset_id(symbol)
        self._rng = random.Random(f"orders/{seed}")
        self._report = report

    def new_id(self) -> str:
        """A UUID drawn from the seed."""
        return str(UUID(int=self._rng.getrandbits(128), version=4))

    def asset_id(self, symbol: str) -> str:
        """The id of a symbol, the same for every seed."""
        asset_id = str(uuid5(NAMESPACE_URL, f"asset/{symbol}"))
        if asset_id not in self._symbols and len(self._symbols) >= MOST_ASSETS:
            del self._symbols[next(iter(self._symbols))]
        self._symbols[asset_id] = symbol
        return asset_id

    def find_symbol(self, asset_id: str) -> str | None:
        """The symbol with this id, if it is well known or its id was given to somebody."""
        return self._symbols.get(asset_id)

    def add(self, ticket: Ticket, utc_ns: int) -> BrokerOrder:
        """A new order for this ticket; apply its first event next."""
        order = BrokerOrder(self.new_id(), self.asset_id(ticket.symbol), ticket, utc_ns)
        self.by_id[order.order_id] = self.by_client_id[ticket.client_order_id] = order
        self._open.setdefault(ticket.symbol, {})[order.order_id] = order
        self.symbols = frozenset(self._open)
        return order

    def find(self, order_id: str) -> BrokerOrder:
        """An order by its id. RestError (404) if there is none."""
        order = self.by_id.get(order_id)
        if order is None:
            raise order_not_found(order_id)
        return order

    def list_open(self) -> list[BrokerOrder]:
        """Every open order."""
        return [order for orders in self._open.values() for order in orders.values()]

    def list_open_in(self, symbol: str) -> list[BrokerOrder]:
        """The open orders of one symbol."""
        return list(self._open.get(symbol, {}).values())

    def apply(
        self,
        order: BrokerOrder,
        event: str,
        utc_ns: int,
        reason: str = "",
        fill: Fill | None = None,
        position_qty: Decimal | None = None,
        previous_execution_id: str = "",
    ) -> None:
        """Change an order's status as the table says, and report the event. ValueError if it may not come now."""
        order.apply(event, utc_ns)
        execution_id = self.new_id()
        if fill is not None and event != "trade_bust":
            order.executions.append(Execution(execution_id, fill.qty, fill.price))
        if order.status in CLOSED:
            symbol = order.ticket.symbol
            self._open.get(symbol, {}).pop(order.order_id, None)
            if not self._open.get(symbol):
                self._open.pop(symbol, None)
                self.symbols = frozenset(self._open)
        self._report(
            OrderEvent(event, order.json(), utc_ns, execution_id, fill, position_qty, reason, previous_execution_id)
        )

    def state(self) -> dict[str, object]:
        """Counts for display."""
        statuses: dict[str, int] = {}
        for order in self.by_id.values():
            statuses[order.status] = statuses.get(order.status, 0) + 1
        return {"orders_total": len(self.by_id), "by_status": statuses}
