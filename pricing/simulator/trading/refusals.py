"""What the broker refuses in a well-formed order: its asset, a wash trade, a used id. Pure.

Texts and codes as users have quoted them from Alpaca's answers; the code says less than the text.
"""

from __future__ import annotations

from collections.abc import Iterable

from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.trading.order import BrokerOrder, Ticket
from quotebus.pricing.simulator.trading.tickets import FORBIDDEN, MALFORMED, UNPROCESSABLE, RestError


def check_asset(ticket: Ticket, faults: Faults) -> None:
    """RestError if faults in force say that the asset cannot be traded, or not in this way."""
    symbol = ticket.symbol
    if faults.covers("not_tradable", symbol):
        raise RestError(422, UNPROCESSABLE, f'asset "{symbol}" is not tradable')
    is_fraction = ticket.notional is not None or (ticket.qty is not None and bool(ticket.qty % 1))
    if is_fraction and faults.covers("not_fractionable", symbol):
        raise RestError(403, FORBIDDEN, f'asset "{symbol}" is not fractionable')


def check_short(symbol: str, faults: Faults) -> None:
    """RestError if faults in force say that the asset cannot be sold short."""
    if faults.covers("not_shortable", symbol):
        raise RestError(422, UNPROCESSABLE, f'asset "{symbol}" cannot be sold short')


def refuse_used_id(faults: Faults) -> RestError:
    """The error for a client_order_id that was used before, whatever became of that order."""
    status = faults.number("duplicate_status")
    return RestError(422 if status is None else int(status), MALFORMED, "client_order_id must be unique")


def check_wash_trade(ticket: Ticket, others: Iterable[BrokerOrder]) -> None:
    """RestError, with the other order's id, if the order could meet an open one of the other side in its symbol."""
    for other in others:
        if other.ticket.symbol != ticket.symbol or other.ticket.side == ticket.side:
            continue
        mine, its = ticket.limit_price, other.ticket.limit_price
        if mine is not None and its is not None and ((mine < its) if ticket.side == "buy" else (mine > its)):
            continue
        raise RestError(
            403,
            FORBIDDEN,
            "potential wash trade detected. use complex orders",
            existing_order_id=other.order_id,
            reject_reason=f"opposite side {'market/stop' if its is None else 'limit'} order exists",
        )
