"""What a report shows, collected in one pass over a capture in bounded memory. Pure.

Usability is the consumer's own judgement, `bus.book.Book`, made at every change that may alter it, and once per column
for what only time alters. So the shaded spans are those in which a consumer on the recorder's machine could not have
used the price.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from quotebus.bus import topics
from quotebus.bus.book import Book, Unusable
from quotebus.bus.capture.format.captured import GAP_TOPIC, Captured, Gap
from quotebus.bus.capture.report.scale import Columns, Extremes, LogHistogram
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import ConnectionHealth, ExecutionDecision, Quote, SymbolsAcknowledged, SymbolStatus, Trade

MAX_SYMBOLS = 1_000
MAX_SPANS = 4_000
"""Per row; further spans are counted."""
MAX_DECISIONS = 3_000
HIGHEST_PRICE = 1e9
"""Only prices above 0 and below this are drawn."""


@dataclass(slots=True)
class Span:
    """A shaded stretch of time and its name; `end_ns` is None while it lasts."""

    begin_ns: int
    end_ns: int | None
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DecisionMark:
    """A decision to mark in the picture."""

    at_ns: int
    action: str
    side: str
    price: float | None
    text: str


@dataclass
class SymbolData:
    """One symbol's rows."""

    symbol: str
    bid: Extremes
    ask: Extremes
    updates: array[int]
    spread_bps: LogHistogram = field(default_factory=LogHistogram)
    rate: LogHistogram = field(default_factory=LogHistogram)
    quotes: int = 0
    trades: int = 0
    flagged: int = 0
    unusable: list[Span] = field(default_factory=list)
    gaps: list[Span] = field(default_factory=list)
    marks: list[DecisionMark] = field(default_factory=list)
    decisions: Counter[str] = field(default_factory=Counter)
    marked: set[tuple[int, str, str]] = field(default_factory=set)
    _second: int = 0
    _in_second: int = 0

    def tick(self, second: int) -> None:
        """Count an update within a second; seconds without one are counted, too."""
        if second != self._second:
            if self._second:
                self.rate.add(self._in_second)
                self.rate.total += min(max(0, second - self._second - 1), 1_000_000)
                self.rate.not_positive += min(max(0, second - self._second - 1), 1_000_000)
            self._second, self._in_second = second, 0
        self._in_second += 1


@dataclass
class ReportData:
    """Everything that a page shows."""

    columns: Columns
    symbols: dict[str, SymbolData] = field(default_factory=dict)
    line: list[Span] = field(default_factory=list)
    missed: list[Span] = field(default_factory=list)
    failovers: list[Span] = field(default_factory=list)
    """Another node, or another start of one, is the one whose prices count."""
    hops: dict[str, LogHistogram] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    lost: int = 0
    undecodable: int = 0
    left_out: int = 0

    @property
    def messages(self) -> int:
        return self.kinds.total()


HOPS = ("exchange → node", "node: received → published", "published → recorded")


class Collector:
    """Takes a capture's messages in file order, including the recorder's own notes of losses."""

    def __init__(self, columns: Columns) -> None:
        self.data = ReportData(columns, hops={hop: LogHistogram() for hop in HOPS})
        self._book = Book()
        self._open: dict[str, Span] = {}
        self._column = -1
        self._sequence: int | None = None
        self._end_ns = columns.begin_ns

    def run(self, entries: Iterable[Captured]) -> ReportData:
        """Collect to the end; returns the data."""
        for captured in entries:
            self._take(captured)
        for span in [*self._open.values(), *self.data.line[-1:]]:
            if span.end_ns is None:
                span.end_ns = self._end_ns
        return self.data

    def _take(self, captured: Captured) -> None:
        data, at_ns = self.data, captured.received_ns
        if self._sequence is not None and captured.sequence != self._sequence + 1 and len(data.missed) < MAX_SPANS:
            data.missed.append(Span(self._end_ns, max(self._end_ns, at_ns), "lost", "not in this capture"))
        self._sequence = captured.sequence
        self._end_ns = max(self._end_ns, at_ns)
        data.kinds[topics.kind(captured.topic) if captured.topic != GAP_TOPIC else "capture.gap"] += 1
        data.bytes += len(captured.payload)
        try:
            event = captured.event()
        except UndecodableMessage:
            data.undecodable += 1
            return
        self._pass_time(at_ns)
        if isinstance(event, Gap):
            self._on_gap(event, at_ns)
            return
        if isinstance(event, (Quote, SymbolStatus, ConnectionHealth, SymbolsAcknowledged)):
            self._book.on_message(event, at_ns)
        match event:
            case Quote():
                self._on_quote(event, at_ns)
            case Trade():
                symbol = self._symbol(event.symbol)
                if symbol is not None:
                    symbol.trades += 1
            case SymbolStatus():
                self._book.on_status(event)
                self._assess(event.symbol, at_ns)
            case SymbolsAcknowledged():
                self._book.on_acknowledged(event)
            case ConnectionHealth():
                self._on_health(event, at_ns)
            case ExecutionDecision():
                self._on_decision(event, at_ns)

    def _symbol(self, name: str) -> SymbolData | None:
        symbol = self.data.symbols.get(name)
        if symbol is None:
            if len(self.data.symbols) >= MAX_SYMBOLS or not topics.is_symbol(name):
                self.data.left_out += 1
                return None
            count = self.data.columns.count
            symbol = SymbolData(name, Extremes(count), Extremes(count), array("L", [0]) * count)
            self.data.symbols[name] = symbol
        return symbol

    def _on_quote(self, quote: Quote, at_ns: int) -> None:
        symbol = self._symbol(quote.symbol)
        if symbol is None:
            return
        column = self.data.columns.of(at_ns)
        symbol.quotes += 1
        symbol.updates[column] += 1
        symbol.tick(at_ns // NS_PER_S)
        hops = self.data.hops
        hops[HOPS[0]].add(quote.received_ns - quote.exchange_ns)
        hops[HOPS[1]].add(quote.published_ns - quote.received_ns)
        hops[HOPS[2]].add(at_ns - quote.published_ns)
        bid, ask = quote.bid_price, quote.ask_price
        if bid is not None and 0 < bid < HIGHEST_PRICE:
            symbol.bid.add(column, bid)
        if ask is not None and 0 < ask < HIGHEST_PRICE:
            symbol.ask.add(column, ask)
        if bid is not None and ask is not None and 0 < bid <= ask < HIGHEST_PRICE:
            symbol.spread_bps.add((ask - bid) / (ask + bid) * 20_000)
        self._book.on_quote(quote)
        if quote.flags:
            symbol.flagged += 1
        if quote.flags or quote.symbol in self._open or symbol.quotes == 1:
            self._assess(quote.symbol, at_ns)

    def _on_health(self, health: ConnectionHealth, at_ns: int) -> None:
        former = self._book.health
        self._book.on_health(health)
        if self._book.health is not health:
            return
        failovers = self.data.failovers
        if former is not None and former.source != health.source and len(failovers) < MAX_SPANS:
            told = f"{former.node} {former.source} → {health.node} {health.source}"
            failovers.append(Span(at_ns, at_ns, "failover", told))
        line = self.data.line
        if not line or (line[-1].what, line[-1].detail) != (health.state, health.cause):
            if line and line[-1].end_ns is None:
                line[-1].end_ns = at_ns
            if len(line) < MAX_SPANS:
                line.append(Span(at_ns, None, health.state, health.cause))
            else:
                self.data.left_out += 1
        if health.gap_start_ns is not None and health.gap_end_ns is not None:
            missed = Span(health.gap_start_ns, health.gap_end_ns, "missed", "no data from the exchange")
            known = self.data.missed
            if (not known or known[-1] != missed) and len(known) < MAX_SPANS:
                known.append(missed)
        changed = former is None or (former.source, former.state, former.connection) != (
            health.source,
            health.state,
            health.connection,
        )
        if changed:
            for name in self.data.symbols:
                self._assess(name, at_ns)

    def _on_gap(self, gap: Gap, at_ns: int) -> None:
        self.data.lost += gap.count
        name = topics.rest(gap.topic) if gap.topic.startswith("quote.") else ""
        symbol = self.data.symbols.get(name)
        gaps = symbol.gaps if symbol is not None else self.data.missed
        if len(gaps) < MAX_SPANS:
            gaps.append(Span(at_ns, at_ns, "lost", f"{gap.count} messages lost ({gap.cause})"))

    def _on_decision(self, decision: ExecutionDecision, at_ns: int) -> None:
        symbol = self._symbol(decision.symbol)
        if symbol is None:
            return
        symbol.decisions[decision.action] += 1
        key = (self.data.columns.of(at_ns), decision.action, decision.side)
        if key in symbol.marked or len(symbol.marks) >= MAX_DECISIONS:
            return
        symbol.marked.add(key)
        reasons = ", ".join(decision.reasons)
        price = decision.limit_price
        text = f"{decision.client}: {decision.side} {decision.qty:g} {decision.action}"
        text += f" {price:g}" if price is not None else ""
        symbol.marks.append(DecisionMark(at_ns, decision.action, decision.side, price, f"{text} {reasons}".strip()))

    def _pass_time(self, at_ns: int) -> None:
        """Judge every symbol once per column: a price also becomes unusable by age or silence alone."""
        column = self.data.columns.of(at_ns)
        if column == self._column:
            return
        while self._column < column:
            self._column += 1
            edge_ns = self.data.columns.begin_ns + self._column * self.data.columns.width_ns
            for name in self.data.symbols:
                self._assess(name, min(edge_ns, at_ns))

    def _assess(self, name: str, at_ns: int) -> None:
        symbol = self.data.symbols.get(name)
        if symbol is None:
            return
        verdict = self._book.assess(name, at_ns)
        what = ""
        if verdict.reasons:
            what = "halted" if Unusable.HALTED in verdict.reasons else str(verdict.reasons[0])
        span = self._open.get(name)
        if span is not None and span.what != what:
            span.end_ns = at_ns
            del self._open[name]
            span = None
        if what and span is None:
            detail = ", ".join(verdict.reasons)
            span = Span(at_ns, None, what, detail)
            if len(symbol.unusable) < MAX_SPANS:
                symbol.unusable.append(span)
                self._open[name] = span
            else:
                self.data.left_out += 1
