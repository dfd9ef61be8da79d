"""Fills: what an order gets from a quote or a trade. Pure.

A marketable order is filled at the touch, up to the displayed size. A resting limit order is filled at its limit when
the opposite side reaches it, or a trade is made at it or through it. A missing side, a crossed quote and NaN fill
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from quotebus.pricing.simulator.records import Quote
from quotebus.pricing.simulator.trading.order import BrokerOrder

LEAST, MOST = 1e-6, 1e9
"""Bounds of prices and sizes that fill orders; NaN is outside of them too."""


class Fill(NamedTuple):
    """Shares and their price."""

    qty: Decimal
    price: Decimal


@dataclass(slots=True)
class TopOfBook:
    """What one quote still offers: the price of each side, None if it is missing, and the shares left."""

    bid: Decimal | None
    bid_left: Decimal
    ask: Decimal | None
    ask_left: Decimal

    def take(self, is_buy: bool, qty: Decimal) -> None:
        """Take these shares away."""
        if is_buy:
            self.ask_left -= qty
        else:
            self.bid_left -= qty


def _decimal(value: float) -> Decimal | None:
    """A price or size that can fill orders, else None: an injected quote may hold any number."""
    return Decimal(repr(value)) if LEAST <= value < MOST else None


def read_top(quote: Quote) -> TopOfBook:
    """The top of book of a quote."""
    bid, ask = _decimal(quote.bid_price), _decimal(quote.ask_price)
    bid_left, ask_left = _decimal(quote.bid_size), _decimal(quote.ask_size)
    if bid is not None and ask is not None and bid > ask:
        bid = ask = None
    return TopOfBook(bid, bid_left or Decimal(0), ask, ask_left or Decimal(0))


def match_quote(order: BrokerOrder, now: TopOfBook) -> Fill | None:
    """The fill of a working order against this top of book, None if there is none."""
    price, left = (now.ask, now.ask_left) if order.is_buy else (now.bid, now.bid_left)
    if price is None or left <= 0:
        return None
    limit = order.ticket.limit_price
    if limit is not None:
        if (price > limit) if order.is_buy else (price < limit):
            return None
        if order.resting:
            price = limit
    qty = min(order.remaining(price), left)
    return Fill(qty, price) if qty > 0 else None


def match_trade(order: BrokerOrder, price: float, size: float) -> Fill | None:
    """The fill of a resting limit order by a trade at or through its limit, None if there is none."""
    traded, shares, limit = _decimal(price), _decimal(size), order.ticket.limit_price
    if traded is None or shares is None or limit is None or not order.resting:
        return None
    if (traded > limit) if order.is_buy else (traded < limit):
        return None
    qty = min(order.remaining(limit), shares)
    return Fill(qty, limit) if qty > 0 else None


def is_filled(order: BrokerOrder) -> bool:
    """Whether nothing is left to fill; for a notional order, less than 0.00001 share."""
    if order.ticket.qty is not None:
        return order.filled_qty >= order.ticket.qty
    average = order.average_price
    return average is not None and order.remaining(average) <= Decimal("0.00001")


def is_passive(order: BrokerOrder, now: TopOfBook) -> bool:
    """Whether a limit order is not marketable now, and so rests in the book at its limit."""
    price, limit = now.ask if order.is_buy else now.bid, order.ticket.limit_price
    return price is not None and limit is not None and ((price > limit) if order.is_buy else (price < limit))
