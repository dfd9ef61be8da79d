"""What a capture shows of an intent before a decision, to check the decision's published state against. Pure.

A worker publishes where an intent stood, because no message carries all of it. Much of it follows from the capture all
the same: the time since the intent's start from its other decisions and its TradeIntent, fills from order updates, the
price before a jump from the quotes, the time a line has been good from its health. What does not is counted.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from decimal import Decimal

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import ConnectionHealth, ConnectionState, ExecutionDecision, OrderUpdate, Quote, TradeIntent
from quotebus.execution_adapter.decision.assessment import Past
from quotebus.execution_adapter.decision.choose import Situation
from quotebus.execution_adapter.orders.order import ZERO, parse_decimal

MAX_NAMED = 100_000
MAX_MIDS = 50_000
MAX_DOWN = 1_000
LONGEST_NUMBER = 6
ROUNDING_NS = NS_PER_MS
"""A window is worked to the millisecond."""
Contradiction = tuple[str, str, str]
"""A field, what is recorded, and what the capture shows."""


@dataclass(slots=True)
class _Start:
    """An intent's start; `confirmed` when a second decision gives the same."""

    start_ns: int
    window_ns: int
    qty: Decimal
    confirmed: bool = False


@dataclass(slots=True)
class _Prices:
    """Every mid a symbol had; `whole` until there were too many to keep."""

    first_ns: int
    mids: set[float] = field(default_factory=set)
    whole: bool = True


class History:
    """Takes a capture in file order. `as_recorded` counts, by name, what had to be taken from the recording."""

    def __init__(self, as_recorded: Counter[str] | None = None) -> None:
        self.as_recorded: Counter[str] = Counter() if as_recorded is None else as_recorded
        self._starts: dict[str, _Start] = {}
        self._intents: dict[tuple[str, str], TradeIntent] = {}
        self._filled: dict[str, dict[int, Decimal]] = {}
        self._prices: dict[str, _Prices] = {}
        self._down: dict[str, deque[ConnectionHealth]] = {}
        self._levelled: set[tuple[str, str]] = set()

    def on_quote(self, quote: Quote) -> None:
        if (mid := quote.mid) is None or (quote.symbol not in self._prices and len(self._prices) >= MAX_NAMED):
            return
        prices = self._prices.setdefault(quote.symbol, _Prices(quote.published_ns))
        if len(prices.mids) < MAX_MIDS:
            prices.mids.add(mid)
        elif mid not in prices.mids:
            prices.whole = False

    def on_health(self, health: ConnectionHealth) -> None:
        if health.state != ConnectionState.STREAMING and (health.source in self._down or len(self._down) < MAX_NAMED):
            self._down.setdefault(health.source, deque(maxlen=MAX_DOWN)).append(health)

    def on_intent(self, intent: TradeIntent) -> None:
        if len(self._intents) < MAX_NAMED:
            self._intents.setdefault((intent.client, intent.intent_id), intent)

    def on_order(self, update: OrderUpdate) -> None:
        intent_id, _, number = update.client_order_id.rpartition("-")
        filled = parse_decimal(update.filled_qty)
        if filled is None or not number.isascii() or not number.isdigit() or len(number) > LONGEST_NUMBER:
            return
        if intent_id in self._filled or len(self._filled) < MAX_NAMED:
            orders = self._filled.setdefault(intent_id, {})
            orders[int(number)] = max(filled, orders.get(int(number), ZERO))

    def find_contradiction(
        self,
        recorded: ExecutionDecision,
        situation: Situation,
        grace_ns: int,
        health: ConnectionHealth | None,
        delay_ns: int,
    ) -> Contradiction | None:
        """The first contradiction of the state and the capture. `delay_ns`: the smallest from the health's source."""
        of_intent = (
            (self._of_time(recorded, situation, grace_ns) or self._of_quantity(situation))
            if situation.intent_id
            else None
        )
        return (
            of_intent
            or self._of_level(recorded, situation.past)
            or self._of_line(recorded, situation.past, health, delay_ns)
        )

    def _of_time(self, recorded: ExecutionDecision, situation: Situation, grace_ns: int) -> Contradiction | None:
        start_ns = recorded.now_ns - situation.elapsed_ns
        start = self._starts.get(situation.intent_id)
        if start is not None:
            if start.start_ns != start_ns:
                if not start.confirmed:  # it may be the first one that is wrong: the next ones are held against this
                    self._starts[situation.intent_id] = _Start(start_ns, situation.window_ns, situation.qty)
                return "elapsed_ns", str(situation.elapsed_ns), str(recorded.now_ns - start.start_ns)
            start.confirmed = True
            if start.window_ns != situation.window_ns:
                return "window_ns", str(situation.window_ns), str(start.window_ns)
            return ("qty", str(situation.qty), f"at most {start.qty}") if situation.qty > start.qty else None
        if len(self._starts) < MAX_NAMED:
            self._starts[situation.intent_id] = _Start(start_ns, situation.window_ns, situation.qty)
        intent = self._intents.get(situation.wish)
        if intent is None:
            self.as_recorded["start"] += 1
            return None
        if (intent.symbol, intent.side) != (recorded.symbol, recorded.side):
            return "wish", f"{recorded.symbol} {recorded.side}", f"{intent.symbol} {intent.side}"
        if not intent.complete_exit and situation.qty != Decimal(repr(intent.qty)):
            return "qty", str(situation.qty), repr(intent.qty)
        end_ns = start_ns + situation.window_ns + grace_ns
        if abs(end_ns - intent.deadline_ns) > ROUNDING_NS:
            return "elapsed_ns", str(situation.elapsed_ns), str(situation.elapsed_ns + end_ns - intent.deadline_ns)
        return None

    def _of_quantity(self, situation: Situation) -> Contradiction | None:
        """An order is decided on only when those before it can fill no more; an update of its own may overtake it."""
        orders = self._filled.get(situation.intent_id, {})
        filled = sum((qty for number, qty in orders.items() if number < situation.number), ZERO)
        if situation.remaining > situation.qty - filled:
            return "remaining", str(situation.remaining), f"at most {situation.qty - filled}"
        if situation.remaining < situation.qty - filled:
            self.as_recorded["fills"] += 1
        return None

    def _of_level(self, recorded: ExecutionDecision, past: Past) -> Contradiction | None:
        key = (recorded.source, recorded.symbol)
        if past.level_mid is None:
            return ("level_mid", "none", "a level, as before") if key in self._levelled else None
        if len(self._levelled) < MAX_NAMED:
            self._levelled.add(key)
        prices = self._prices.get(recorded.symbol)
        began_ns = recorded.now_ns - past.level_age_ns - NS_PER_S
        if prices is None or not prices.whole or prices.first_ns > began_ns:
            self.as_recorded["level"] += 1
            return None
        return None if past.level_mid in prices.mids else ("level_mid", str(past.level_mid), "no such price")

    def _of_line(
        self, recorded: ExecutionDecision, past: Past, health: ConnectionHealth | None, delay_ns: int
    ) -> Contradiction | None:
        if health is None or past.good_for_ns is None:
            return None
        if not past.flapped and (health.connection > 1 or health.gap_end_ns is not None):
            return "flapped", "false", "true"
        down = next((one for one in reversed(self._down.get(health.source, ())) if one.seq < health.seq), None)
        if down is None:
            self.as_recorded["line"] += 1
            return None
        at_most_ns = max(0, recorded.now_ns - down.published_ns - delay_ns)  # it may have been received after "now"
        return (
            ("good_for_ns", str(past.good_for_ns), f"at most {at_most_ns}") if past.good_for_ns > at_most_ns else None
        )
