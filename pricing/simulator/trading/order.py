"""One order from its acceptance to its end, with all transitions in one table. Pure.

Source: Alpaca's "Orders" and "Websocket streaming" pages; statuses and events are named as there.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from quotebus.pricing.simulator.encoding import rfc3339

WORKING = ("new", "partially_filled", "pending_cancel", "pending_replace", "stopped", "calculated")
"""Statuses in which an order can be filled."""
OPEN = ("pending_new", "accepted", *WORKING, "done_for_day", "suspended", "held", "pending_review")
CLOSED = ("filled", "canceled", "expired", "replaced", "rejected")


class Transition(NamedTuple):
    """The statuses in which an event may come, and the one it leads to; `""` leaves the status as it is."""

    sources: tuple[str, ...]
    target: str


TRANSITIONS: dict[str, Transition] = {
    "pending_new": Transition(("",), "pending_new"),
    "accepted": Transition(("pending_new",), "accepted"),
    "new": Transition(("pending_new", "accepted", "suspended", "done_for_day", "held", "pending_review"), "new"),
    "partial_fill": Transition(WORKING, "partially_filled"),
    "fill": Transition(WORKING, "filled"),
    "pending_cancel": Transition((*OPEN,), "pending_cancel"),
    "canceled": Transition((*OPEN,), "canceled"),
    "expired": Transition((*OPEN,), "expired"),
    "rejected": Transition(("pending_new", "accepted", "new", "held", "pending_review"), "rejected"),
    "pending_replace": Transition(("accepted", *WORKING), "pending_replace"),
    "replaced": Transition(("accepted", *WORKING), "replaced"),
    "order_cancel_rejected": Transition((*OPEN, *CLOSED), ""),
    "order_replace_rejected": Transition((*OPEN, *CLOSED), ""),
    "done_for_day": Transition((*OPEN,), "done_for_day"),
    "stopped": Transition(WORKING, "stopped"),
    "calculated": Transition(WORKING, "calculated"),
    "suspended": Transition(("accepted", *WORKING), "suspended"),
    "held": Transition(("pending_new", "accepted", *WORKING), "held"),
    "pending_review": Transition(("pending_new", "accepted", *WORKING), "pending_review"),
    "restated": Transition((*OPEN,), ""),
    "trade_bust": Transition((*OPEN, *CLOSED), ""),
    "trade_correct": Transition((*OPEN, *CLOSED), ""),
}
OF_AN_EXECUTION = ("fill", "partial_fill", "trade_bust", "trade_correct")
"""Events that tell of an execution."""
STAMPED_BY = {
    "fill": "filled_at", "canceled": "canceled_at", "expired": "expired_at", "rejected": "failed_at",
    "replaced": "replaced_at",
}  # fmt: skip
STAMPS = tuple(STAMPED_BY.values())


def decimal_text(value: Decimal) -> str:
    """A decimal as Alpaca writes it: no exponent, no trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Execution(NamedTuple):
    """Shares that were traded, and their price."""

    execution_id: str
    qty: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class Ticket:
    """A checked order request. It has `qty` or `notional`; only limit orders have a `limit_price`."""

    symbol: str
    side: str
    kind: str
    time_in_force: str
    qty: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    extended_hours: bool
    client_order_id: str


class BrokerOrder:
    """One order. Only `apply` changes its status; `fill` counts executions. Times are UTC nanoseconds."""

    def __init__(self, order_id: str, asset_id: str, ticket: Ticket, utc_ns: int) -> None:
        self.order_id = order_id
        self.asset_id = asset_id
        self.ticket = ticket
        self.status = ""
        self.filled_qty = Decimal(0)
        self.filled_value = Decimal(0)
        self.resting = False
        self.cancel_wanted = False
        self.fill_from_ns = 0
        self.shown_from_ns = 0
        self.executions: list[Execution] = []
        self.replaces: str | None = None
        self.replaced_by: str | None = None
        self.submitted_ns = self.updated_ns = utc_ns
        self._stamps: dict[str, int] = {}

    @property
    def is_open(self) -> bool:
        """Whether it may still be filled or canceled."""
        return self.status in OPEN

    @property
    def is_working(self) -> bool:
        """Whether it can be filled now."""
        return self.status in WORKING

    @property
    def is_buy(self) -> bool:
        return self.ticket.side == "buy"

    def remaining(self, price: Decimal) -> Decimal:
        """Shares still to fill; for a notional order, as many as its dollars buy at this price."""
        if self.ticket.qty is not None:
            return self.ticket.qty - self.filled_qty
        left = (self.ticket.notional or Decimal(0)) - self.filled_value
        return max(Decimal(0), (left / price).quantize(Decimal("0.000000001"), "ROUND_DOWN"))

    def apply(self, event: str, utc_ns: int) -> None:
        """Change the status as the table says; ValueError for an event that may not come now."""
        sources, target = TRANSITIONS[event]
        if self.status not in sources:
            raise ValueError(f"no {event} in {self.status or 'no'} status")
        keeps_pending = event == "partial_fill" and self.status in ("pending_cancel", "pending_replace")
        if event in ("order_cancel_rejected", "order_replace_rejected") and self.status.startswith("pending_"):
            self.status = "partially_filled" if self.filled_qty else "new"
        elif event == "new" and self.filled_qty:
            self.status = "partially_filled"
        elif target and not keeps_pending:
            self.status = target
        self.updated_ns = utc_ns
        if event in STAMPED_BY:
            self._stamps[STAMPED_BY[event]] = utc_ns

    def fill(self, qty: Decimal, price: Decimal) -> None:
        """Count an execution; a negative `qty` takes one back."""
        self.filled_qty += qty
        self.filled_value += qty * price

    @property
    def average_price(self) -> Decimal | None:
        """The average price of what was filled."""
        return (self.filled_value / self.filled_qty).quantize(Decimal("0.000001")) if self.filled_qty else None

    def json(self) -> dict[str, object]:
        """The order as Alpaca's entity, with numbers as strings."""
        ticket = self.ticket
        stamps = {name: _time(self._stamps.get(name)) for name in STAMPS}
        return {
            "id": self.order_id,
            "client_order_id": ticket.client_order_id,
            "created_at": _time(self.submitted_ns),
            "updated_at": _time(self.updated_ns),
            "submitted_at": _time(self.submitted_ns),
            **stamps,
            "replaced_by": self.replaced_by,
            "replaces": self.replaces,
            "asset_id": self.asset_id,
            "symbol": ticket.symbol,
            "asset_class": "us_equity",
            "notional": _text(ticket.notional),
            "qty": _text(ticket.qty),
            "filled_qty": decimal_text(self.filled_qty),
            "filled_avg_price": _text(self.average_price),
            "order_class": "",
            "order_type": ticket.kind,
            "type": ticket.kind,
            "side": ticket.side,
            "time_in_force": ticket.time_in_force,
            "limit_price": _text(ticket.limit_price),
            "stop_price": None,
            "status": self.status,
            "extended_hours": ticket.extended_hours,
            "legs": None,
            "trail_percent": None,
            "trail_price": None,
            "hwm": None,
            "subtag": None,
            "source": None,
        }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else decimal_text(value)


def _time(utc_ns: int | None) -> str | None:
    return None if utc_ns is None else rfc3339(utc_ns)
