"""What a trader reads while intents are worked, and at the end. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.states import Outcome

BASIS_POINT = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class IntentEnd:
    """An intent that was asked for and not worked here: how it stands and why, and the orders to look up."""

    intent: str
    outcome: Outcome
    why: str
    order_ids: tuple[str, ...] = ()


def format_price(price: Decimal | None, places: str = "0.0001") -> str:
    return "-" if price is None else f"{price.quantize(Decimal(places)):f}"


def measure_slippage_bp(parent: ParentOrder) -> Decimal | None:
    """What the fills cost against the mid at arrival, in basis points; below 0 they were better."""
    average, arrival = parent.average_price, parent.arrival_mid
    if average is None or not arrival:
        return None
    paid = average - arrival if parent.intent.side == "buy" else arrival - average
    return paid / arrival / BASIS_POINT


def _format_slippage(parent: ParentOrder) -> str:
    cost = measure_slippage_bp(parent)
    return "" if cost is None else f" {cost:+.1f} bp vs arrival"


def format_progress(parent: ParentOrder) -> str:
    """One line: where an intent stands and why."""
    intent, child = parent.intent, parent.open_order
    at = ""
    if child is not None and child.elsewhere:  # what it is for is not known
        at = f"  order {child.order.client_order_id}" if child.seen else ""
    elif child is not None:
        at = "  market" if child.order.limit_price is None else f"  limit {child.order.limit_price:f}"
    average = (
        "" if parent.average_price is None else f"  avg {format_price(parent.average_price)}{_format_slippage(parent)}"
    )
    what = f"{intent.symbol:<6} {intent.side:<4} {parent.filled:f} of {parent.wanted}"
    return f"{what}{average}  {parent.state} ({parent.cause}){at}"


def format_report(
    parents: Iterable[ParentOrder],
    now_ns: int,
    past: Mapping[Outcome, int] = MappingProxyType({}),
    not_worked: Sequence[IntentEnd] = (),
) -> list[str]:
    """The summary: a line per intent, then which cells of the decision table decided, every fallback and refusal with
    its reasons, and what needs a look.

    `past` counts, by outcome, intents that ended before these; `not_worked` are those asked for and not worked here.
    """
    parents = list(parents)
    if not parents and not past and not not_worked:
        return ["no intents"]
    lines = [
        f"{'symbol':<8}{'side':<6}{'filled':>16}  {'average':>12}  {'arrival':>12}  {'cost bp':>8}  {'time s':>7}  "
        f"{'orders':>6}  outcome"
    ]
    for parent in parents:
        cost = measure_slippage_bp(parent)
        ended_ns = parent.since_ns if parent.outcome is not None else now_ns
        lines.append(
            f"{parent.intent.symbol:<8}{parent.intent.side:<6}{f'{parent.filled:f} of {parent.wanted}':>16}  "
            f"{format_price(parent.average_price):>12}  {format_price(parent.arrival_mid):>12}  "
            f"{'-' if cost is None else f'{cost:+.1f}':>8}  {(ended_ns - parent.start_ns) / NS_PER_S:>7.1f}  "
            f"{len(parent.known_orders):>6}  {parent.outcome or parent.state} ({parent.cause})"
        )
    lines += [f"{end.intent}: {end.outcome}: {end.why}" for end in not_worked]
    for parent in parents:
        what = f"{parent.intent.symbol} {parent.intent.side}"
        if parent.decided_by:
            times = ", ".join(f"{name} {count}" for name, count in parent.decided_by.items())
            lines.append(f"{what}: decisions by row/price of the decision table: {times}")
        for choice in parent.fallbacks:
            price = "" if choice.limit_price is None else f" {choice.limit_price:f}"
            lines.append(f"{what}: {choice.action}{price}: {', '.join(choice.reasons)}; decided by {choice.decided_by}")
        if parent.contradictions:
            lines.append(f"{what}: {parent.contradictions} contradictory reports from the broker")
        if parent.find_outcome() is Outcome.UNRESOLVED:
            lines += [f"{what}: CHECK AT BROKER: order {order_id}" for order_id in parent.list_doubtful()]
    for end in not_worked:
        lines += [f"{end.intent}: CHECK AT BROKER: order {order_id}" for order_id in end.order_ids]
    if past:
        counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(past.items()))
        lines.append(f"earlier intents: {sum(past.values())} ({counted})")
    ended = Counter(past) + Counter(end.outcome for end in not_worked)
    filled = sum(parent.find_outcome() is Outcome.FILLED for parent in parents) + ended[Outcome.FILLED]
    fallbacks = sum(len(parent.fallbacks) for parent in parents)
    lines.append(f"{filled} of {len(parents) + ended.total()} filled, {fallbacks} fallbacks or refusals")
    return lines
