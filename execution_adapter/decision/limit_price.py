"""Limit prices inside the spread, exact to the tick, and quantities that may be ordered. Pure.

A price lies between our side of the spread (aggression 0) and its middle (1). It never reaches the other side unless
that is allowed, when 2 is the other side itself. Everything is Decimal: a float's last digit is not a tick.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from quotebus.bus.events import Quote
from quotebus.execution_adapter.intents import QTY_STEP

CENT = Decimal("0.01")
SUB_DOLLAR = Decimal("0.0001")
ONE, TWO, ZERO = Decimal(1), Decimal(2), Decimal(0)
FEWEST_TICKS = 10
"""A price of fewer ticks makes no sense: then the tick that was said is wrong, or is another symbol's."""
MUCH_OF_SIZE, SOME_OF_SIZE, IMBALANCE = Decimal("0.8"), Decimal("0.3"), Decimal("0.2")


@dataclass(frozen=True, slots=True)
class Touch:
    """Best bid and ask, both present and in order, with their sizes in shares."""

    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2


def find_sides(quote: Quote | None, lot: int = 1) -> Touch | None:
    """A quote's two sides; None unless both are present, above 0 and apart. `lot`: shares in one unit of its sizes."""
    if quote is None or quote.bid_price is None or quote.ask_price is None:
        return None
    bid, ask = Decimal(repr(quote.bid_price)), Decimal(repr(quote.ask_price))
    if not (bid.is_finite() and ask.is_finite() and ZERO < bid < ask):
        return None
    return Touch(bid, ask, _size(quote.bid_size) * lot, _size(quote.ask_size) * lot)


def find_tick(price: Decimal, said: Decimal | None = None) -> Decimal:
    """The smallest step of a price: the one that the venue said, if that makes sense beside the price, else that of US
    equities: a cent, below one dollar a hundredth of it (Reg NMS rule 612).
    """
    if said is not None and said * FEWEST_TICKS <= price:
        return said
    return CENT if price >= ONE else SUB_DOLLAR


def round_to_tick(price: Decimal, side: str, said: Decimal | None = None) -> Decimal:
    """The nearest price on a tick that is no worse for us: below for a buy, above for a sell."""
    step = find_tick(price, said)
    return (price / step).to_integral_value(ROUND_FLOOR if side == "buy" else ROUND_CEILING) * step


def compute_limit_price(
    sides: Touch,
    side: str,
    aggression: Decimal,
    qty: Decimal = ZERO,
    *,
    marketable: bool = False,
    said_tick: Decimal | None = None,
) -> Decimal:
    """Where to put a limit of `qty` shares: our side of the spread, moved towards the other by `aggression`.

    A large order stands a tick or two ahead of the queue it would otherwise wait in, and one with the book against it
    one tick, but never beyond the middle. `said_tick`: the venue's own tick, where it says one.
    """
    furthest = TWO if marketable else ONE
    share = min(max(aggression, ZERO), furthest)
    half = (sides.ask - sides.bid) / 2
    if side == "buy":
        wanted = sides.bid + share * half
        at_least = sides.bid + _ticks_ahead(qty, sides.bid_size, sides.ask_size) * find_tick(sides.bid, said_tick)
        return round_to_tick(max(wanted, min(at_least, sides.mid)), side, said_tick)
    wanted = sides.ask - share * half
    at_most = sides.ask - _ticks_ahead(qty, sides.ask_size, sides.bid_size) * find_tick(sides.ask, said_tick)
    return round_to_tick(min(wanted, max(at_most, sides.mid)), side, said_tick)


def compute_aggression(elapsed_ns: int, window_ns: int, start: Decimal, end: Decimal) -> Decimal:
    """The aggression now: it rises evenly from `start` to `end` over the window, in steps of a hundredth."""
    if window_ns <= 0 or elapsed_ns >= window_ns:
        return end
    done = Decimal(max(0, elapsed_ns)) / Decimal(window_ns)
    return (start + (end - start) * done).quantize(CENT, ROUND_FLOOR)


def compute_order_qty(
    remaining: Decimal, price: Decimal | None, *, fractional: bool, min_notional: Decimal, lot: Decimal | None = None
) -> Decimal:
    """How much of `remaining` may be ordered: whole shares unless `fractional`, whole multiples of a `lot` that the
    venue said, and 0 below `min_notional` dollars.
    """
    qty = remaining.quantize(QTY_STEP if fractional else ONE, ROUND_FLOOR)
    if lot is not None:
        qty = min(qty, (qty / lot).to_integral_value(ROUND_FLOOR) * lot)
    if qty <= 0 or (price is not None and qty * price < min_notional):
        return ZERO
    return qty


def _ticks_ahead(qty: Decimal, own_size: Decimal, other_size: Decimal) -> int:
    """How many ticks to stand ahead of our side of the spread. `own_size` is shown on it, `other_size` across."""
    ratio = qty / max(own_size, ONE)
    if ratio > MUCH_OF_SIZE:
        return 2
    total = own_size + other_size
    against = total > 0 and (own_size - other_size) / total > IMBALANCE
    return 1 if ratio > SOME_OF_SIZE or against else 0


def _size(value: float | None) -> Decimal:
    size = ZERO if value is None else Decimal(repr(value))
    return size if size.is_finite() and size > 0 else ZERO
