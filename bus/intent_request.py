"""What `execute` is given, as a TradeIntent. Pure."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation

from quotebus.bus import topics
from quotebus.bus.clock import seconds
from quotebus.bus.order_events import TradeIntent

_ALL = "all"
_SIDES = ("buy", "sell")
_URGENCIES = ("low", "normal", "high")
MAX_S = 24 * 3600.0
MAX_ID = 128


def make_intent(
    client: str, intent_id: str, symbol: str, side: str, qty: float | Decimal | str, urgency: str, *, deadline_ns: int
) -> tuple[TradeIntent, Decimal]:
    """The intent, and its quantity, 0 for all. Raises ValueError with one clear sentence."""
    symbol, side = topics.symbol(symbol), side.strip().lower()
    if side not in _SIDES:
        raise ValueError(f"side must be buy or sell, not {side[:20]!r}")
    if urgency not in _URGENCIES:
        raise ValueError(f"urgency must be one of {', '.join(_URGENCIES)}, not {urgency[:20]!r}")
    if not 0 < len(intent_id) <= MAX_ID or not intent_id.isprintable():
        raise ValueError(f"intent_id must be 1 to {MAX_ID} printable characters, not {intent_id[:40]!r}")
    exits = isinstance(qty, str) and qty.strip().lower() == _ALL
    if exits and side != "sell":
        raise ValueError("'all' needs side sell")
    amount = Decimal(0) if exits else _shares(qty)
    intent = TradeIntent(
        client=client,
        intent_id=intent_id,
        symbol=symbol,
        side=side,
        qty=float(amount),
        urgency=urgency,
        deadline_ns=deadline_ns,
        complete_exit=exits,
    )
    return intent, amount


def _shares(qty: float | Decimal | str) -> Decimal:
    """A number of shares that crosses the wire, where it is a float, unchanged."""
    try:
        amount = Decimal(repr(qty) if isinstance(qty, float) else qty)
    except (InvalidOperation, TypeError):
        raise ValueError(f"not a number of shares: {str(qty)[:20]!r}") from None
    if not amount.is_finite() or amount <= 0:
        raise ValueError(f"a number of shares must be above 0, not {str(qty)[:20]!r}")
    if Decimal(repr(float(amount))) != amount:
        raise ValueError(f"too many digits in a number of shares: {str(qty)[:40]!r}")
    return amount


def check_seconds(name: str, value_s: float) -> int:
    """Seconds as nanoseconds. Raises ValueError outside 0 to 24 hours and a minute."""
    if not math.isfinite(value_s) or not 0 <= value_s <= MAX_S + 60:
        raise ValueError(f"{name} must be within 0 and {MAX_S:.0f} seconds, not {value_s!r}")
    return seconds(value_s)
