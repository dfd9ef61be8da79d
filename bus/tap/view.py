"""What has been received so far: lines, symbols, requests, counters. Memory is bounded whatever peers send. Pure.

Live and replayed messages are kept in two books: a replayed price is shown as such and never makes a price usable.
`bus.book` judges, as in every client.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from quotebus.bus import topics
from quotebus.bus.book import MAX_AGE_NS, Book
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.consumer import REPLAYED
from quotebus.bus.events import (
    Cause,
    Claim,
    ConnectionHealth,
    Counters,
    Event,
    Quote,
    RecorderHealth,
    SymbolsAcknowledged,
    SymbolsRequested,
    SymbolState,
    SymbolStatus,
)
from quotebus.bus.protocol import HEALTH_SILENCE_NS, MAX_SYMBOLS
from quotebus.bus.tap.message_reader import MAX_QUOTE_BYTES, ReceivedMessage
from quotebus.bus.tap.rates import Rates

MAX_CLIENTS = 1_000
MAX_PEERS = 64
"""Most nodes, most sources of counters, most recorders; the one silent longest is forgotten first."""
MAX_COUNTERS = 200
MAX_CLAIMS = 100
ValueT = TypeVar("ValueT")
GONE_NS = 60 * NS_PER_S
_NAME = 80


@dataclass(slots=True)
class KnownStatus:
    """The newest SymbolStatus of one symbol, cut to what is shown."""

    state: str
    cause: str
    since_ns: int
    claims: tuple[Claim, ...]
    last_quote_ns: int | None
    last_quote_seq: int
    source: str
    heard_ns: int


@dataclass(slots=True)
class ClientRequest:
    """A client's newest request and the answer to it; `wants`: whether it names the symbol in focus."""

    client: str
    request_id: str
    source: str
    priority: int
    channels: tuple[str, ...]
    ttl_ms: int
    symbols: int
    wants: bool
    heard_ns: int
    answered: str = ""


@dataclass(slots=True)
class View:
    """Takes every message, in order. `focus` is the symbol that `why` explains."""

    max_age_ns: int = MAX_AGE_NS
    focus: str = ""
    book: Book = field(init=False)
    replayed: Book = field(init=False)
    known: dict[str, KnownStatus] = field(default_factory=dict)
    known_replayed: dict[str, KnownStatus] = field(default_factory=dict)
    asks: dict[str, ClientRequest] = field(default_factory=dict)
    healths: dict[str, tuple[ConnectionHealth, int]] = field(default_factory=dict)
    counters: dict[str, tuple[Counters, int]] = field(default_factory=dict)
    recorders: dict[str, tuple[RecorderHealth, int]] = field(default_factory=dict)
    quotes: Rates[str] = field(default_factory=Rates)
    bus: Rates[str] = field(default_factory=Rates)
    symbols: set[str] = field(default_factory=set)
    beyond_bound: int = 0
    _released: dict[str, int] = field(default_factory=dict)
    """Symbol to since when, oldest first."""

    def __post_init__(self) -> None:
        self.book, self.replayed = Book(max_age_ns=self.max_age_ns), Book(max_age_ns=self.max_age_ns)

    def take(self, heard: ReceivedMessage) -> None:
        """One message."""
        event, at_ns = heard.event, heard.received_ns
        if type(event) is Quote and not heard.late:
            self.take_quotes(event, at_ns, 1, heard.octets, renumbered=heard.renumbered)
            return
        self.bus.count(heard.topic.partition(".")[0], heard.octets, at_ns)
        if heard.late:
            return
        book = self.replayed if event.source.startswith(REPLAYED) else self.book
        book.on_message(event, at_ns)
        self._take_other(event, at_ns, book)

    def take_quotes(self, quote: Quote, at_ns: int, messages: int, octets: int, *, renumbered: bool = False) -> None:
        """Take `messages` quotes of one symbol and source at once; `quote` is the newest of them."""
        self.bus.count("quote", octets, at_ns, messages)
        book = self.replayed if quote.source.startswith(REPLAYED) else self.book
        book.on_message(quote, at_ns)
        if self._admits(quote.symbol):
            self.quotes.count(quote.symbol, octets, at_ns, messages)
            if renumbered:
                book.withdraw(quote.symbol)
            book.on_quote(quote)

    def at(self, now_ns: int) -> None:
        """Let time pass to `now_ns`: rate windows move on, and peers that have long been silent are forgotten."""
        self.quotes.at(now_ns)
        self.bus.at(now_ns)
        for table in (self.healths, self.counters, self.recorders):
            for name in [name for name, (_, heard_ns) in table.items() if now_ns - heard_ns > GONE_NS]:
                del table[name]
        for name in [name for name, ask in self.asks.items() if now_ns - ask.heard_ns > 2 * GONE_NS]:
            del self.asks[name]
        self._forget_released(now_ns)

    def _forget_released(self, now_ns: int) -> None:
        """A released symbol keeps its row for another minute; then its place is free."""
        gone: list[str] = []
        for name, since_ns in self._released.items():
            if now_ns - since_ns <= GONE_NS:
                break
            gone.append(name)
        for name in gone:
            del self._released[name]
            self.symbols.discard(name)
            self.known.pop(name, None)
            self.known_replayed.pop(name, None)
        if gone:
            self.book.keep_only(self.symbols)
            self.replayed.keep_only(self.symbols)

    def _take_other(self, event: Event, at_ns: int, book: Book) -> None:
        if isinstance(event, SymbolStatus):
            if self._admits(event.symbol):
                self._stand(event, at_ns, book)
        elif isinstance(event, ConnectionHealth):
            book.on_health(event)
            _keep(self.healths, event.node + " " + event.source, (event, at_ns))
            self._former_sources_of(event)
        elif isinstance(event, SymbolsAcknowledged):
            self._answer(event, book)
        elif isinstance(event, SymbolsRequested):
            self._ask(event, at_ns)
        elif isinstance(event, Counters):
            cut = {name[:_NAME]: value for name, value in list(event.counters.items())[:MAX_COUNTERS]}
            _keep(
                self.counters,
                event.source,
                (msgspec.structs.replace(event, program=event.program[:_NAME], counters=cut), at_ns),
            )
        elif isinstance(event, RecorderHealth):
            replayed = REPLAYED if event.source.startswith(REPLAYED) else ""
            _keep(
                self.recorders,
                replayed + event.name,
                (msgspec.structs.replace(event, name=replayed + event.name), at_ns),
            )

    def _stand(self, status: SymbolStatus, at_ns: int, book: Book) -> None:
        state, cause = SymbolState(status.state[:_NAME]), Cause(status.cause[:_NAME])
        claims = tuple(Claim(c.client[:_NAME], c.priority, c.lease_left_ms) for c in status.clients[:MAX_CLAIMS])
        halt, halt_kind = status.halt[:_NAME], status.halt_kind[:_NAME]
        if book.disproves(status):
            book.withdraw(status.symbol)
        book.on_status(
            msgspec.structs.replace(status, state=state, cause=cause, clients=(), halt=halt, halt_kind=halt_kind)
        )
        self._released.pop(status.symbol, None)
        if state == SymbolState.RELEASED and status.symbol != self.focus:
            self._released[status.symbol] = at_ns
        table = self.known if book is self.book else self.known_replayed
        table[status.symbol] = KnownStatus(
            state, cause, status.since_ns, claims, status.last_quote_ns, status.last_quote_seq, status.source, at_ns
        )

    def _answer(self, ack: SymbolsAcknowledged, book: Book) -> None:
        rows = tuple(
            msgspec.structs.replace(
                row,
                state=SymbolState(row.state[:_NAME]),
                cause=Cause(row.cause[:_NAME]),
                last_quote=_bounded(row.last_quote),
                halt=row.halt[:_NAME],
                halt_kind=row.halt_kind[:_NAME],
            )
            for row in ack.results
            if self._admits(row.symbol)
        )
        book.on_acknowledged(msgspec.structs.replace(ack, results=rows))
        ask = self.asks.get(ack.client)
        if ask is not None and ask.request_id == ack.request_id:
            ask.answered = ack.cause[:_NAME]

    def _ask(self, request: SymbolsRequested, at_ns: int) -> None:
        if request.source.startswith(REPLAYED):
            return
        wants = bool(self.focus) and self.focus in request.symbols
        former = self.asks.get(request.client)
        ask = ClientRequest(
            client=request.client,
            request_id=request.request_id,
            source=request.source[:_NAME],
            priority=request.priority,
            channels=tuple(channel[:_NAME] for channel in request.channels[:2]),
            ttl_ms=request.ttl_ms,
            symbols=len(request.symbols),
            wants=wants,
            heard_ns=at_ns,
        )
        if former is not None and former.request_id == ask.request_id:
            ask.answered = former.answered
        _keep(self.asks, request.client, ask, MAX_CLIENTS)

    def _admits(self, symbol: str) -> bool:
        if symbol in self.symbols:
            return True
        if len(self.symbols) >= MAX_SYMBOLS or not topics.is_symbol(symbol):
            self.beyond_bound += 1
            return False
        self.symbols.add(symbol)
        return True

    def _former_sources_of(self, health: ConnectionHealth) -> None:
        """A restarted node has one health, its newest source's. Two nodes of one name that alternate are both shown."""
        for name, (held, heard_ns) in list(self.healths.items()):
            replaced = held.node == health.node and held.source != health.source
            if replaced and self.healths[health.node + " " + health.source][1] - heard_ns > HEALTH_SILENCE_NS:
                del self.healths[name]


def _keep(table: dict[str, ValueT], name: str, value: ValueT, bound: int = MAX_PEERS) -> None:
    """Keep the newest last, so that the first is the one silent longest."""
    if table.pop(name, None) is None and len(table) >= bound:
        del table[next(iter(table))]
    table[name] = value


def _bounded(quote: bytes | None) -> bytes | None:
    return quote if quote is not None and len(quote) <= MAX_QUOTE_BYTES else None
