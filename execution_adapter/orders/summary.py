"""What a trader reads while intents are worked, and at the end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.orders.parent_order import Work
from quotebus.execution_adapter.orders.states import Outcome

BASIS_POINT = Decimal("0.0001")


def money(price: Decimal | None, places: str = "0.0001") -> str:
    return "-" if price is None else f"{price.quantize(Decimal(places)):f}"


def slippage(work: Work) -> Decimal | None:
    """Basis points that the fills cost against the mid at arrival; below 0 they were better than it."""
    average, arrival = work.average_price, work.arrival_mid
    if average is None or not arrival:
        return None
    paid = average - arrival if work.intent.side == "buy" else arrival - average
    return paid / arrival / BASIS_POINT


def _against(work: Work) -> str:
    cost = slippage(work)
    return "" if cost is None else f" {cost:+.1f} bp against arrival"


def progress(work: Work) -> str:
    """One line: where an intent stands and why."""
    intent, child = work.intent, work.open_order
    at = ""
    if child is not None:
        at = "  market" if child.order.limit_price is None else f"  limit {child.order.limit_price:f}"
    average = "" if work.average_price is None else f"  avg {money(work.average_price)}{_against(work)}"
    what = f"{intent.symbol:<6} {intent.side:<4} {work.filled:f} of {intent.qty:f}"
    return f"{what}{average}  {work.state} ({work.cause}){at}"


def report(works: Iterable[Work], now_ns: int, past: Mapping[Outcome, int] = MappingProxyType({})) -> list[str]:
    """The end of it all: a line for each intent, then every fallback and refusal with its reasons.

    `past`: intents that ended before these, by how.
    """
    works = list(works)
    if not works and not past:
        return ["nothing to work"]
    lines = [
        f"{'symbol':<8}{'side':<6}{'filled':>16}  {'average':>12}  {'arrival':>12}  {'cost bp':>8}  {'time s':>7}  "
        f"{'orders':>6}  outcome"
    ]
    for work in works:
        cost = slippage(work)
        ended_ns = work.since_ns if work.outcome is not None else now_ns
        lines.append(
            f"{work.intent.symbol:<8}{work.intent.side:<6}{f'{work.filled:f} of {work.intent.qty:f}':>16}  "
            f"{money(work.average_price):>12}  {money(work.arrival_mid):>12}  "
            f"{'-' if cost is None else f'{cost:+.1f}':>8}  {(ended_ns - work.start_ns) / NS_PER_S:>7.1f}  "
            f"{len(work.children):>6}  {work.outcome or work.state} ({work.cause})"
        )
    for work in works:
        for choice in work.fallbacks:
            price = "" if choice.limit_price is None else f" {choice.limit_price:f}"
            lines.append(
                f"{work.intent.symbol} {work.intent.side}: {choice.action}{price}: {', '.join(choice.reasons)}"
            )
        if work.contradictions:
            lines.append(f"{work.intent.symbol} {work.intent.side}: {work.contradictions} contradictory reports")
        if work.outcome is Outcome.UNRESOLVED and (child := work.open_order) is not None:
            lines.append(f"{work.intent.symbol} {work.intent.side}: LOOK AT ORDER {child.order.client_order_id}")
    if past:
        counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(past.items()))
        lines.append(f"and before them {sum(past.values())} intents: {counted}")
    filled = sum(work.outcome is Outcome.FILLED for work in works) + past.get(Outcome.FILLED, 0)
    fallbacks = sum(len(work.fallbacks) for work in works)
    lines.append(f"{filled} of {len(works) + sum(past.values())} filled, {fallbacks} fallbacks or refusals")
    return lines
