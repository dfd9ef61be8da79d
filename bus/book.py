"""May this price be used? The newest quote, health and status a process has heard, and the one judgement on them.

Everything the rule needs is fed in with the instant it was received; `assess` names each reason why a price may not be
used. Freshness is measured twice: by our own receive time, and by the publisher's stamp less the smallest delay ever
seen from that source, so that messages delivered late do not look fresh. Pure: no clock, no socket.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from quotebus.bus import codec, topics
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import (
    Cause,
    ConnectionHealth,
    ConnectionState,
    Event,
    Flag,
    Quote,
    Reference,
    SymbolsAcknowledged,
    SymbolState,
    SymbolStatus,
)
from quotebus.bus.events import HaltKnowledge as HaltKnowledge
from quotebus.bus.protocol import HEALTH_SILENCE_NS

MAX_AGE_NS = 60 * NS_PER_S
"""How long a standing quote may stand by default: a quiet market is not a fault, but the price ages all the same."""
MAX_SOURCES = 64


class Unusable(StrEnum):
    """Why a price may not be used now."""

    NOT_REQUESTED = "not_requested"
    CLIENT_CONFLICT = "client_conflict"
    UNCONFIRMED = "unconfirmed"
    READER_BEHIND = "reader_behind"
    NO_HEALTH = "no_health"
    HEALTH_SILENT = "health_silent"
    NOT_STREAMING = "not_streaming"
    NO_STATUS = "no_status"
    NOT_LIVE = "not_live"
    HALTED = "halted"
    NO_QUOTE = "no_quote"
    OTHER_SOURCE = "other_source"
    OTHER_CONNECTION = "other_connection"
    LOST_NEWER = "lost_newer"
    ONE_SIDED = "one_sided"
    CROSSED = "crossed"
    LOCKED = "locked"
    BACKWARD_TIME = "backward_time"
    SUSPICIOUS = "suspicious"
    TOO_OLD = "too_old"


_FLAG_REASONS = [(flag, Unusable[flag.name or ""]) for flag in Flag]
_KNOWN_FLAGS = sum(Flag)
_BACKWARD_TIME = int(Flag.BACKWARD_TIME)  # an enumeration's own & costs more than decoding the quote
_FOREVER_NS = 2**62
_WAITING = (ConnectionState.STANDBY, ConnectionState.STOPPED)


class Reasons(tuple[Unusable, ...]):
    """Why a price may not be used, all of them; prints as `not_live, too_old`, and as `none` when there are none."""

    __slots__ = ()

    def __str__(self) -> str:
        return ", ".join(self) or "none"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


@dataclass(frozen=True, slots=True)
class Standing:
    """A symbol's newest state, from a SymbolStatus or an acknowledgement's row, and the message it came with."""

    state: SymbolState
    """Where the symbol stands."""
    cause: Cause
    """Why that state was entered."""
    source: str
    """The pricing node that said so."""
    reference: Reference
    """(source, seq) of the message; the source begins with `ack:` for an acknowledgement."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one symbol's price at one instant, with what it is based on."""

    symbol: str
    """Upper case."""
    reasons: Reasons
    """Everything that speaks against using the price; empty when it may be used."""
    quote: Quote | None
    """The quote that was judged; None when there is none."""
    health: ConnectionHealth | None
    """The connection's health that was judged; None when none was heard."""
    standing: Standing | None
    """The symbol's state that was judged; None when none was heard."""
    halt: HaltKnowledge
    """What is known of a trading halt."""
    age_ns: int | None
    """The quote's age by our own clock, nanoseconds, late delivery included; None without a quote."""
    health_age_ns: int | None = None
    """The health's age, nanoseconds; None without a health."""
    announced_seq: int = 0
    """The newest quote's number as the quote's own source announced it; 0 when it said nothing."""

    @property
    def usable(self) -> bool:
        """Whether the price may be used: nothing speaks against it."""
        return not self.reasons


class Book:
    """What a process knows. `on_*` take messages in the order they were received, with the receive instant."""

    def __init__(self, *, max_age_ns: int = MAX_AGE_NS) -> None:
        self.max_age_ns = max_age_ns
        self.health: ConnectionHealth | None = None
        self.quotes: dict[str, Quote] = {}
        self.standings: dict[str, Standing] = {}
        self.undecodable_quotes = 0
        self._announced: dict[str, tuple[str, int]] = {}
        self._smallest_delay_ns: dict[str, int] = {}
        self._halted: set[str] = set()

    def on_message(self, event: Event, received_ns: int) -> None:
        """Note how far a source's clock is from ours; call before the message's own method."""
        delay_ns = received_ns - event.published_ns
        smallest = self._smallest_delay_ns.get(event.source)
        if smallest is None:
            if len(self._smallest_delay_ns) >= MAX_SOURCES:
                active = self.health.source if self.health is not None else ""
                del self._smallest_delay_ns[next(name for name in self._smallest_delay_ns if name != active)]
            self._smallest_delay_ns[event.source] = delay_ns
        elif delay_ns < smallest:
            self._smallest_delay_ns[event.source] = delay_ns

    def on_health(self, health: ConnectionHealth) -> bool:
        """Take a node's health; True when it comes from another source than before."""
        if health.node.endswith(topics.ORDERS):
            return False
        former = self.health
        if former is not None and former.source != health.source and health.state in _WAITING:
            return False  # a node in waiting, or one that was, says nothing about the active one's line
        self.health = health
        return former is None or former.source != health.source

    def on_quote(self, quote: Quote) -> bool:
        """Take a quote; True when it replaced the held one."""
        held = self.quotes.get(quote.symbol)
        if held is not None:
            if quote.flags & _BACKWARD_TIME:
                return False
            if held.source == quote.source:
                if quote.seq <= held.seq:
                    return False
            elif quote.published_ns <= held.published_ns:
                return False
        self.quotes[quote.symbol] = quote
        return True

    def on_status(self, status: SymbolStatus) -> None:
        """Take a symbol's state and the number of its newest quote."""
        reference = (status.source, status.seq)
        self._set_standing(status.symbol, Standing(status.state, status.cause, status.source, reference))
        self._announced[status.symbol] = (status.source, status.last_quote_seq)

    def on_acknowledged(self, ack: SymbolsAcknowledged) -> list[Quote]:
        """Take an answer's rows; returns the held quotes among them that are news to this book."""
        fresh: list[Quote] = []
        reference = (f"ack:{ack.source}", ack.seq)
        for row in ack.results:
            self._set_standing(row.symbol, Standing(row.state, row.cause, ack.source, reference))
            self._announced[row.symbol] = (ack.source, row.last_quote_seq)
            if row.last_quote is None:
                continue
            try:
                quote = codec.decode_payload("quote", row.last_quote)
            except UndecodableMessage:
                self.undecodable_quotes += 1
                continue
            if isinstance(quote, Quote) and quote.symbol == row.symbol and self.on_quote(quote):
                fresh.append(quote)
        return fresh

    def keep_only(self, symbols: Iterable[str]) -> None:
        """Forget every symbol that is no longer wanted."""
        wanted = set(symbols)
        for table in (self.quotes, self.standings, self._announced):
            for symbol in table.keys() - wanted:
                del table[symbol]
        self._halted &= wanted

    def age_ns(self, event: Event, now_ns: int) -> int:
        """How long ago a message was published, as our own clock sees it; late delivery counts as age."""
        smallest = self._smallest_delay_ns.get(event.source)
        return _FOREVER_NS if smallest is None else now_ns - event.published_ns - smallest

    def streaming(self, now_ns: int) -> bool:
        """Whether the line is proven up and its health was heard within three seconds."""
        health = self.health
        return (
            health is not None
            and health.state == ConnectionState.STREAMING
            and self.age_ns(health, now_ns) <= HEALTH_SILENCE_NS
        )

    def halt(self, symbol: str, now_ns: int) -> HaltKnowledge:
        """A known halt keeps counting whatever the line does; without a proven line nothing else is known."""
        if symbol in self._halted:
            return HaltKnowledge.HALTED
        standing, health = self.standings.get(symbol), self.health
        if standing is None or health is None or not self.streaming(now_ns) or standing.source != health.source:
            return HaltKnowledge.UNKNOWN
        if "halts_unknown" in health.detail or standing.state not in (SymbolState.LIVE, SymbolState.QUIET):
            return HaltKnowledge.UNKNOWN
        return HaltKnowledge.TRADING

    def assess(self, symbol: str, now_ns: int) -> Verdict:
        """The judgement on `symbol` at `now_ns`, every reason named."""
        health, quote, standing = self.health, self.quotes.get(symbol), self.standings.get(symbol)
        halt = self.halt(symbol, now_ns)
        reasons: list[Unusable] = []
        if health is None:
            reasons.append(Unusable.NO_HEALTH)
        elif self.age_ns(health, now_ns) > HEALTH_SILENCE_NS:
            reasons.append(Unusable.HEALTH_SILENT)
        elif health.state != ConnectionState.STREAMING:
            reasons.append(Unusable.NOT_STREAMING)
        if standing is None or health is None or standing.source != health.source:
            reasons.append(Unusable.NO_STATUS)
        elif standing.state not in (SymbolState.LIVE, SymbolState.QUIET):
            reasons.append(Unusable.NOT_LIVE)
        if halt is HaltKnowledge.HALTED:
            reasons.append(Unusable.HALTED)
        age_ns, announced_seq = None, 0
        if quote is None:
            reasons.append(Unusable.NO_QUOTE)
        else:
            age_ns = self.age_ns(quote, now_ns)
            reasons += self._find_faults(quote, health, age_ns)
            source, seq = self._announced.get(symbol, ("", 0))
            announced_seq = seq if source == quote.source else 0
        health_age_ns = None if health is None else self.age_ns(health, now_ns)
        return Verdict(symbol, Reasons(reasons), quote, health, standing, halt, age_ns, health_age_ns, announced_seq)

    def _find_faults(self, quote: Quote, health: ConnectionHealth | None, age_ns: int) -> Iterable[Unusable]:
        if health is None or quote.source != health.source:
            yield Unusable.OTHER_SOURCE
        elif quote.connection != health.connection:
            yield Unusable.OTHER_CONNECTION
        source, seq = self._announced.get(quote.symbol, ("", 0))
        if source == quote.source and quote.seq < seq:
            yield Unusable.LOST_NEWER
        if quote.flags:
            for flag, reason in _FLAG_REASONS:
                if quote.flags & flag:
                    yield reason
            if quote.flags & ~_KNOWN_FLAGS and not quote.flags & Flag.SUSPICIOUS:
                yield Unusable.SUSPICIOUS  # a flag of a newer publisher
        if not (_is_price(quote.bid_price) and _is_price(quote.ask_price)):
            if not quote.flags & Flag.ONE_SIDED:
                yield Unusable.ONE_SIDED
        elif quote.bid_price > quote.ask_price and not quote.flags & Flag.CROSSED:  # type: ignore[operator]
            yield Unusable.CROSSED
        if age_ns > self.max_age_ns:
            yield Unusable.TOO_OLD

    def _set_standing(self, symbol: str, standing: Standing) -> None:
        self.standings[symbol] = standing
        if standing.state == SymbolState.HALTED:
            self._halted.add(symbol)
        elif standing.state in (SymbolState.LIVE, SymbolState.QUIET):
            self._halted.discard(symbol)


def _is_price(price: float | None) -> bool:
    """Whether it is there and finite; written so that a NaN, which no comparison accepts, is none."""
    return price is not None and 0 < price < inf
