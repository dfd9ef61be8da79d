"""The one account: cash, positions, and what open orders reserve. Pure.

Whole shares may be sold short; a sale of more than a long position is refused, as at Alpaca. Prices in dollars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.trading.order import BrokerOrder, Ticket, decimal_text
from quotebus.pricing.simulator.trading.refusals import check_short
from quotebus.pricing.simulator.trading.tickets import FORBIDDEN, RestError

Price = Callable[[str], Decimal]


class Position:
    """A position: `qty` is negative when short, `entry_price` the average."""

    def __init__(self) -> None:
        self.qty = Decimal(0)
        self.entry_price = Decimal(0)

    def trade(self, change: Decimal, price: Decimal) -> None:
        """Add bought shares, or subtract sold ones."""
        after = self.qty + change
        if not change:
            return
        if self.qty * change >= 0:
            self.entry_price = (self.entry_price * abs(self.qty) + price * abs(change)) / abs(after)
        elif after * self.qty < 0:
            self.entry_price = price
        self.qty = after


class Account:
    """Cash and positions; `shown` is what requests for positions are told, which a fault may make late."""

    def __init__(self, account_id: str, cash: Decimal, faults: Faults) -> None:
        self.account_id = account_id
        self.cash = cash
        self.positions: dict[str, Position] = {}
        self.shown: dict[str, Position] = {}
        self._faults = faults

    def trade(self, order: BrokerOrder, qty: Decimal, price: Decimal) -> Decimal:
        """Book an execution, or take one back with a negative `qty`. Returns the position after it."""
        change = qty if order.is_buy else -qty
        self.cash -= change * price
        return _trade_in(self.positions, order.ticket.symbol, change, price)

    def show(self, order: BrokerOrder, qty: Decimal, price: Decimal) -> None:
        """Show an execution in the positions that requests are told."""
        _trade_in(self.shown, order.ticket.symbol, qty if order.is_buy else -qty, price)

    def qty(self, symbol: str) -> Decimal:
        """Shares held; negative when short."""
        position = self.positions.get(symbol)
        return position.qty if position else Decimal(0)

    def check(self, ticket: Ticket, price: Decimal, open_orders: Iterable[BrokerOrder], price_of: Price) -> None:
        """RestError if the account cannot afford this order at `price` a share, in addition to its open orders."""
        open_orders = list(open_orders)
        wanted = ticket.qty if ticket.qty is not None else (ticket.notional or Decimal(0)) / price
        held_qty = self.qty(ticket.symbol)
        if ticket.side == "sell" and held_qty > 0:
            sales = [o for o in open_orders if o.ticket.symbol == ticket.symbol and not o.is_buy]
            reserved = self.reserve(ticket.symbol, sales, price)
            if wanted > held_qty - reserved:
                raise RestError(
                    403,
                    FORBIDDEN,
                    f"insufficient qty available for order (requested: {decimal_text(wanted)}, "
                    f"available: {decimal_text(held_qty - reserved)})",
                    symbol=ticket.symbol,
                    existing_qty=decimal_text(held_qty),
                    held_for_orders=decimal_text(reserved),
                    available=decimal_text(held_qty - reserved),
                    related_orders=[order.order_id for order in sales],
                )
            return
        if ticket.side == "sell":
            check_short(ticket.symbol, self._faults)
        if ticket.side == "sell" and wanted % 1:
            raise RestError(403, FORBIDDEN, "fractional orders cannot be sold short")
        cost = wanted * price
        left = self.buying_power(open_orders, price_of)
        if cost > left:
            raise RestError(
                403,
                FORBIDDEN,
                "insufficient buying power",
                buying_power=_cents(left),
                cost_basis=_cents(cost),
            )

    def reserve(self, symbol: str, sales: Iterable[BrokerOrder], price: Decimal) -> Decimal:
        """Shares of a symbol that its open sales hold back, at `price` a share, and those that a fault does."""
        hidden = Decimal(repr(self._faults.amount("qty_held", symbol)))
        return sum((order.remaining(price) for order in sales), hidden)

    def buying_power(self, open_orders: Iterable[BrokerOrder], price_of: Price) -> Decimal:
        """Dollars left for further orders. Short positions and open buys reserve theirs."""
        power = self._faults.number("buying_power")
        if power is not None:
            return Decimal(repr(power))
        shorts = sum((-p.qty * price_of(s) for s, p in self.positions.items() if p.qty < 0), Decimal(0))
        held = Decimal(0)
        for order in open_orders:
            if order.is_buy:
                price = order.ticket.limit_price or price_of(order.ticket.symbol)
                held += order.remaining(price) * price
        return self.cash - 2 * shorts - held

    def json(self, open_orders: Iterable[BrokerOrder], price_of: Price) -> dict[str, object]:
        """The account entity."""
        longs = sum((p.qty * price_of(s) for s, p in self.positions.items() if p.qty > 0), Decimal(0))
        shorts = sum((p.qty * price_of(s) for s, p in self.positions.items() if p.qty < 0), Decimal(0))
        equity = _cents(self.cash + longs + shorts)
        power = _cents(self.buying_power(open_orders, price_of))
        return {
            "id": self.account_id,
            "account_number": "SIMULATED",
            "status": "ACTIVE",
            "crypto_status": "INACTIVE",
            "currency": "USD",
            "buying_power": power,
            "regt_buying_power": power,
            "daytrading_buying_power": "0",
            "non_marginable_buying_power": power,
            "cash": _cents(self.cash),
            "accrued_fees": "0",
            "portfolio_value": equity,
            "trading_blocked": False,
            "transfers_blocked": False,
            "account_blocked": False,
            "created_at": "2026-01-02T00:00:00Z",
            "trade_suspended_by_user": False,
            "multiplier": "1",
            "shorting_enabled": True,
            "equity": equity,
            "last_equity": equity,
            "long_market_value": _cents(longs),
            "short_market_value": _cents(shorts),
            "initial_margin": "0",
            "maintenance_margin": "0",
            "last_maintenance_margin": "0",
            "sma": "0",
            "daytrade_count": 0,
        }

    def position_json(self, symbol: str, asset_id: str, price: Decimal, reserved: Decimal) -> dict[str, object]:
        """The position entity of a symbol that is shown as held."""
        position = self.shown[symbol]
        cost, value = position.qty * position.entry_price, position.qty * price
        gain = value - cost
        share = gain / abs(cost) if cost else Decimal(0)
        return {
            "asset_id": asset_id,
            "symbol": symbol,
            "exchange": "NASDAQ",
            "asset_class": "us_equity",
            "asset_marginable": True,
            "qty": decimal_text(position.qty),
            "qty_available": decimal_text(position.qty - reserved),
            "avg_entry_price": decimal_text(position.entry_price.quantize(Decimal("0.000001"))),
            "side": "long" if position.qty > 0 else "short",
            "market_value": _cents(value),
            "cost_basis": _cents(cost),
            "unrealized_pl": _cents(gain),
            "unrealized_plpc": decimal_text(share.quantize(Decimal("0.000001"))),
            "unrealized_intraday_pl": _cents(gain),
            "unrealized_intraday_plpc": decimal_text(share.quantize(Decimal("0.000001"))),
            "current_price": decimal_text(price),
            "lastday_price": decimal_text(price),
            "change_today": "0",
        }


def _trade_in(positions: dict[str, Position], symbol: str, change: Decimal, price: Decimal) -> Decimal:
    """Add bought shares to a position, or subtract sold ones. Returns what is held then."""
    position = positions.setdefault(symbol, Position())
    position.trade(change, price)
    if not position.qty:
        del positions[symbol]
    return position.qty


def _cents(value: Decimal) -> str:
    return decimal_text(value.quantize(Decimal("0.01")))
