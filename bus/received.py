"""What a client takes from a batch of frames, and what it counts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from quotebus.bus.events import IntentReport, OrderUpdate, Quote, Trade
from quotebus.bus.protocol import REFUSAL_COUNTERS, UNDECODABLE_COUNTERS

COUNTERS = (
    *("received", *UNDECODABLE_COUNTERS, "undecodable_held_quotes", "replayed", "not_subscribed"),
    "forged",
    *("feed_dropped", "interrupted", "handler_errors", "requests_sent", *REFUSAL_COUNTERS.values()),
    *("reconnects", "health_silences", "line_down_warnings"),
    *("stamped_ahead", "statuses_outdated", "answers_ignored", "quotes_withdrawn", "doubts", "newcomers"),
)


@dataclass(slots=True)
class Received:
    """What a batch of frames brought; `news` says that a health, status or answer was among them."""

    quotes: list[Quote] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    orders: list[OrderUpdate] = field(default_factory=list)
    reports: list[IntentReport] = field(default_factory=list)
    news: bool = False
    held: int = 0
    """How many of the quotes came within an answer."""
