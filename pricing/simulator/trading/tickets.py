"""Checks of order requests, and Alpaca's answers to bad ones. Pure.

Codes are Alpaca's: the HTTP status, then five more digits. Source: its "Orders at Alpaca" and "Working with /orders"
pages, and error bodies that users have quoted. Alpaca may change the messages without notice, but not the codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from quotebus.bus.errors import QuotebusError
from quotebus.pricing.simulator.encoding import is_unicode
from quotebus.pricing.simulator.symbols import ticks
from quotebus.pricing.simulator.trading.order import BrokerOrder, Ticket, decimal_text

MALFORMED = 40010001
FORBIDDEN = 40310000
NOT_FOUND = 40410000
UNPROCESSABLE = 42210000
KINDS = ("market", "limit")
OTHER_KINDS = ("stop", "stop_limit", "trailing_stop")
TIMES_IN_FORCE = ("day", "gtc", "ioc", "fok")
MOST_QTY = Decimal(10_000_000)
LONGEST_CLIENT_ORDER_ID = 128
SMALLEST_FRACTION = Decimal("0.000000001")
SMALLEST_NUMBER, LARGEST_NUMBER, MOST_DIGITS = SMALLEST_FRACTION, Decimal(10) ** 12, 24
"""Numbers within these keep every product and remainder within the 28 digits that Decimal calculates with."""


class RestError(QuotebusError):
    """A trading request is refused with this HTTP status and body."""

    def __init__(self, status: int, code: int, message: str, **more: object) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, object] = {**more, "code": code, "message": message}


def _refuse(message: str, code: int = UNPROCESSABLE) -> RestError:
    return RestError(422, code, message)


def order_not_found(order_id: str) -> RestError:
    """The error for an unknown order id."""
    return RestError(404, NOT_FOUND, f"order not found for {order_id[:64]}")


def read_number(body: Mapping[str, object], name: str) -> Decimal | None:
    """A positive decimal, given as a string or a number; None if absent. RestError for any other number."""
    given = body.get(name)
    if given is None:
        return None
    try:
        value = Decimal(str(given)) if isinstance(given, str | int | float) and not isinstance(given, bool) else None
    except InvalidOperation:
        value = None
    if value is None or not value.is_finite():
        raise _refuse(f"{name} is not a number", MALFORMED)
    if value <= 0:
        raise _refuse(f"{name} must be > 0", MALFORMED)
    if not SMALLEST_NUMBER <= value <= LARGEST_NUMBER or len(value.as_tuple().digits) > MOST_DIGITS:
        raise _refuse(f"{name} is out of range", MALFORMED)
    return value


def read_word(body: Mapping[str, object], name: str, otherwise: str = "") -> str:
    """A string field."""
    value = body.get(name)
    if value is None:
        return otherwise
    if not isinstance(value, str) or not is_unicode(value):
        raise _refuse(f"invalid {name}", MALFORMED)
    return value


def read_ticket(body: Mapping[str, object], client_order_id: str) -> Ticket:
    """The ticket in a POST body, with this `client_order_id` if it has none. RestError if it is not a valid one."""
    symbol = read_word(body, "symbol").upper()
    if not symbol:
        raise _refuse("symbol is required", MALFORMED)
    if not ticks(symbol):
        raise _refuse(f'asset "{symbol[:32]}" not found')
    side, kind = read_word(body, "side"), read_word(body, "type")
    if side not in ("buy", "sell"):
        raise _refuse("side is required" if not side else "invalid side", MALFORMED)
    if kind in OTHER_KINDS:
        raise _refuse(f"{kind} orders are not supported")
    if kind not in KINDS:
        raise _refuse("type is required" if not kind else "invalid order type", MALFORMED)
    if read_word(body, "order_class", "simple") not in ("", "simple"):
        raise _refuse("complex orders are not supported")
    given_id = read_word(body, "client_order_id", client_order_id) or client_order_id
    if len(given_id) > LONGEST_CLIENT_ORDER_ID:
        raise _refuse("client_order_id must be no more than 128 characters", MALFORMED)
    extended_hours = body.get("extended_hours") or False
    if not isinstance(extended_hours, bool):
        raise _refuse("invalid extended_hours", MALFORMED)
    return check_ticket(
        Ticket(
            symbol=symbol,
            side=side,
            kind=kind,
            time_in_force=read_word(body, "time_in_force"),
            qty=read_number(body, "qty"),
            notional=read_number(body, "notional"),
            limit_price=read_number(body, "limit_price"),
            extended_hours=extended_hours,
            client_order_id=given_id,
        )
    )


def check_ticket(ticket: Ticket) -> Ticket:
    """The same ticket. RestError if its parts do not fit together."""
    _check_times(ticket)
    _check_price(ticket)
    _check_amount(ticket)
    return ticket


def _check_times(ticket: Ticket) -> None:
    if ticket.time_in_force not in TIMES_IN_FORCE:
        raise _refuse("time_in_force is required" if not ticket.time_in_force else "invalid time_in_force", MALFORMED)
    if ticket.extended_hours and (ticket.kind != "limit" or ticket.time_in_force not in ("day", "gtc")):
        raise _refuse("extended hours order must be DAY or GTC limit orders")


def _check_price(ticket: Ticket) -> None:
    if ticket.kind == "market":
        if ticket.limit_price is not None:
            raise _refuse("market orders require no stop or limit price", MALFORMED)
        return
    price = ticket.limit_price
    if price is None:
        raise _refuse("limit orders require a limit price", MALFORMED)
    if price % (Decimal("0.01") if price >= 1 else Decimal("0.0001")):
        raise _refuse(
            f"invalid limit_price {decimal_text(price)}. sub-penny increment does not fulfill minimum pricing criteria"
        )


def _check_amount(ticket: Ticket) -> None:
    qty, notional = ticket.qty, ticket.notional
    if (qty is None) == (notional is None):
        raise _refuse("qty or notional is required" if qty is None else "only one of qty or notional is accepted",
                      MALFORMED)  # fmt: skip
    if notional is not None:
        if notional % Decimal("0.01"):
            raise _refuse("notional amount must be limited to 2 decimal places")
        if notional < 1:
            raise RestError(403, FORBIDDEN, "cost basis must be >= minimal amount of order 1")
    if qty is not None and qty > MOST_QTY:
        raise _refuse("qty must be <= 10000000")
    if qty is not None and qty % SMALLEST_FRACTION:
        raise _refuse("qty must be limited to 9 decimal places")
    if (notional is not None or (qty is not None and qty % 1)) and ticket.time_in_force != "day":
        raise _refuse("fractional orders must be DAY orders")


def read_replacement(order: BrokerOrder, body: Mapping[str, object], client_order_id: str) -> Ticket:
    """The ticket that a PATCH puts in place of an order's. RestError if the order cannot be replaced by it."""
    if order.ticket.notional is not None or order.status not in ("accepted", "new", "partially_filled"):
        raise _refuse(f"cannot replace order in {order.status} status")
    old = order.ticket
    price = read_number(body, "limit_price")
    if price is not None and old.kind != "limit":
        raise _refuse("limit price is only valid for limit orders")
    ticket = Ticket(
        symbol=old.symbol,
        side=old.side,
        kind=old.kind,
        time_in_force=read_word(body, "time_in_force", old.time_in_force),
        qty=read_number(body, "qty") or old.qty,
        notional=None,
        limit_price=price or old.limit_price,
        extended_hours=old.extended_hours,
        client_order_id=read_word(body, "client_order_id", client_order_id) or client_order_id,
    )
    if (ticket.qty, ticket.limit_price, ticket.time_in_force) == (old.qty, old.limit_price, old.time_in_force):
        raise _refuse("order parameters are not changed")
    if ticket.qty is not None and ticket.qty <= order.filled_qty:
        raise _refuse("qty must be > filled_qty")
    return check_ticket(ticket)
