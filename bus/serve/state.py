"""Everything the page shows, folded from what was heard: the tap's view, and what that does not keep. Pure.

`take` gets every message in order, `look` makes the next picture. Text from peers is cut and escaped here, so that what
leaves this file can be shown anywhere.
"""

from __future__ import annotations

from typing import Any

import msgspec

from quotebus.bus.book import MAX_AGE_NS
from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.consumer import REPLAYED
from quotebus.bus.events import (
    ConnectionHealth,
    Counters,
    ExecutionDecision,
    IntentReport,
    OrderUpdate,
    Quote,
    SymbolState,
)
from quotebus.bus.serve.activity import Activity
from quotebus.bus.serve.hop_latency import MeasuredQuotes
from quotebus.bus.serve.readiness import Readiness, judge_health, judge_readiness
from quotebus.bus.serve.row_changes import PageRow, RowChanges
from quotebus.bus.serve.timeline import ConnectionTimeline
from quotebus.bus.tap.escape import clean
from quotebus.bus.tap.freshness import Currency, Freshness
from quotebus.bus.tap.message_reader import MessageReader, ReceivedFrame, ReceivedMessage
from quotebus.bus.tap.price_history import PriceHistory
from quotebus.bus.tap.snapshot import NOT_HEARD, Snapshot, SymbolRow, take_snapshot
from quotebus.bus.tap.usability import Usability
from quotebus.bus.tap.view import View
from quotebus.bus.tap.why.explain import Explanation, explain

LOOK_EVERY_NS = 250 * NS_PER_MS
"""Quotes are counted in the second they arrived in."""


class Picture(msgspec.Struct, frozen=True):
    """The bus at one instant, and how far this program can be believed."""

    shown: Snapshot
    currency: Currency
    ready: Readiness
    healthy: Readiness
    requests: int
    usable: int
    undecided: int
    by_state: dict[str, int]
    by_reason: dict[str, int]
    unresolved: int


class PageState:
    """One listener's knowledge. `origin` is the endpoint it listens at."""

    def __init__(self, origin: str, began_ns: int, max_age_ns: int = MAX_AGE_NS) -> None:
        self.began_ns = began_ns
        self.view = View(max_age_ns=max_age_ns)
        self.intake = MessageReader()
        self.quotes = MeasuredQuotes()
        self.history = PriceHistory()
        self.timeline = ConnectionTimeline()
        self.activity = Activity()
        self.rows = RowChanges()
        self.freshness = Freshness(began_ns)
        self._origin = origin
        self._looked_ns = began_ns

    def take(self, frames: list[ReceivedFrame]) -> None:
        """What has come since the last call, in order."""
        for heard in self.intake.read(frames, self.quotes):
            self._take(heard)
        if not frames:
            return
        now_ns = frames[-1].received_ns
        self.freshness.hear(now_ns)
        if self.quotes.full or abs(now_ns - self._looked_ns) >= LOOK_EVERY_NS:
            self._looked_ns = now_ns
            self._take_quotes()

    def look(self, now_ns: int, connected: bool, forged: int = 0) -> Picture:
        """The next picture; everything that depends on time moves on.

        `forged`: messages dropped so far, in another's name than that of the user who sent them.
        """
        self._take_quotes()
        self.freshness.look(now_ns)
        self.freshness.note_losses(self.intake.tracker.lost, now_ns)
        currency = self.freshness.judge(now_ns, connected)
        shown = take_snapshot(self.view, self.intake, now_ns, self._origin, connected, currency=currency, forged=forged)
        self.timeline.look(now_ns, currency)
        self.history.sample(shown.rows if currency.current else (), now_ns)
        self.rows.replace(make_page_row(row, now_ns, currency, self.history.since_ns(row.symbol)) for row in shown.rows)
        requests = sum(
            1 for ask in self.view.asks.values() if ask.symbols and now_ns - ask.heard_ns <= ask.ttl_ms * NS_PER_MS
        )
        return Picture(
            shown=shown,
            currency=currency,
            ready=judge_readiness(shown, currency, requests),
            healthy=judge_health(currency),
            requests=requests,
            usable=sum(row.usable is Usability.YES for row in shown.rows) if currency.current else 0,
            undecided=sum(row.usable is Usability.UNKNOWN for row in shown.rows),
            by_state=_count(clean(row.state, 20) or "unknown" for row in shown.rows),
            by_reason=_count(row.reasons[0] for row in shown.rows if row.usable is Usability.NO and row.reasons),
            unresolved=sum(note.outcome == "unresolved" for note in self.activity.intents.values()),
        )

    def explain(self, symbol: str, now_ns: int) -> Explanation:
        """Why the symbol's price may or may not be used. Requests for it are noticed from now on."""
        self.view.focus = symbol
        return explain(self.view, symbol, now_ns)

    def _take(self, heard: ReceivedMessage) -> None:
        event, at_ns = heard.event, heard.received_ns
        if type(event) is Quote and not heard.late:
            self.quotes.measure(event, at_ns)
        self.view.take(heard)
        if heard.late:
            return
        if isinstance(event, ConnectionHealth):
            self.timeline.take_health(event, at_ns)
        elif isinstance(event, ExecutionDecision | IntentReport | OrderUpdate):
            self.activity.take(event, at_ns)
        if isinstance(event, ConnectionHealth | Counters) and not event.source.startswith(REPLAYED):
            self.freshness.time_message(event.source, self.view.book.age_ns(event, at_ns), at_ns)

    def _take_quotes(self) -> None:
        for counted in self.quotes.take():
            self.view.take_quotes(
                counted.quote, counted.received_ns, counted.messages, counted.octets, renumbered=counted.renumbered
            )


def make_page_row(row: SymbolRow, now_ns: int, currency: Currency, answer_since_ns: int | None) -> PageRow:
    """A row as the page gets it; times in milliseconds of UTC. What is not known to hold is not shown as holding."""
    usable, reasons = str(row.usable), [clean(reason, 40) for reason in row.reasons]
    if not currency.current:
        usable, reasons = (
            "no",
            [NOT_HEARD if currency.deaf else "page_behind", *(each for each in reasons if each != NOT_HEARD)],
        )
    state = clean(row.state, 20)
    doubted = state in (SymbolState.LIVE, SymbolState.QUIET) and not (row.confirmed and currency.current)
    quote_ms = None if row.age_ns is None else (now_ns - row.age_ns) // NS_PER_MS
    return (
        row.symbol, row.bid_price, row.bid_size, row.ask_price, row.ask_size, row.spread, quote_ms,
        round(row.per_s, 1), state + "?" if doubted else state, clean(row.cause, 40), usable, reasons,
        len(row.clients), row.replayed, None if answer_since_ns is None else answer_since_ns // NS_PER_S,
    )  # fmt: skip


def _count(names: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts
