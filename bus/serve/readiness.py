"""May prices be had now? The rule behind `/readyz`, and the one behind `/healthz`, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from quotebus.bus.events import ConnectionState
from quotebus.bus.tap.freshness import Currency, describe_currency
from quotebus.bus.tap.snapshot import ConnectionLine, Snapshot

RULE = (
    "ready while this program hears the bus in time and, for every node that symbols are wanted of, its connection "
    "streams, or that of another node with the same feed"
)


@dataclass(frozen=True, slots=True)
class Readiness:
    """`why` is one sentence; `rule` is what it was judged by."""

    ready: bool
    why: str
    rule: str = RULE


def judge_readiness(shown: Snapshot, currency: Currency, requests: int) -> Readiness:
    """`requests`: how many clients ask for symbols. Not knowing is not ready."""
    if not currency.current:
        return Readiness(False, describe_currency(currency))
    lines = [line for line in shown.lines if not line.orders and not line.replayed]
    if not lines:
        if requests:
            return Readiness(False, f"{requests} clients ask for symbols, and no pricing node is heard")
        return Readiness(True, "no pricing node is heard, and nothing is asked of one")
    streaming = {line.feed for line in lines if _streams(line)}
    down = [line for line in lines if line.desired and not _streams(line) and line.feed not in streaming]
    if down:
        return Readiness(False, "; ".join(_describe(line) for line in down[:5]))
    wanted = sum(line.desired for line in lines if _streams(line))
    if requests and not streaming and not any(line.desired for line in lines):
        return Readiness(False, f"{requests} clients ask for symbols, and no node has taken that up yet")
    if not wanted:
        return Readiness(True, "no symbol is wanted, so no connection is needed")
    return Readiness(True, f"{wanted} symbols are wanted, and every connection that is needed streams")


def judge_health(currency: Currency) -> Readiness:
    """Alive: this program runs and hears the bus."""
    rule = "well while this program runs and hears the bus: some message within 3 s"
    if currency.deaf:
        return Readiness(False, describe_currency(currency), rule)
    return Readiness(True, describe_currency(currency) or "runs, and hears the bus", rule)


def count_requests(symbols: Iterable[int]) -> int:
    """How many of the clients' newest requests name a symbol."""
    return sum(1 for count in symbols if count)


def _streams(line: ConnectionLine) -> bool:
    return line.state == ConnectionState.STREAMING and not line.silent


def _describe(line: ConnectionLine) -> str:
    if line.silent:
        return f"{line.node} has been silent for {line.heard_ago_ns / 1e9:.0f} s, {line.desired} symbols wanted"
    return f"{line.node} is {line.state} ({line.cause}), {line.desired} symbols wanted"
