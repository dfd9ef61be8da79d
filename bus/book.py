"""May this price be used? The newest quote, health and status a process has heard, and the one judgement on them.

Everything the rule needs is fed in with the instant it was received; `assess` names each reason why a price may not be
used. Freshness is measured by our own receive time and by the publisher's stamp, see `bus.source_clock`, so that
messages delivered late do not look fresh. What another source than the health's says is set aside until that source
takes over, so that one message of a stranger changes nothing. Pure: no clock, no socket.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import inf

from quotebus.bus import codec, topics
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import (
    ACCEPTED_CLASSES,
    AckRow,
    ConnectionHealth,
    ConnectionState,
    Event,
    FeedClass,
    Flag,
    Quote,
    Reference,
    SymbolsAcknowledged,
    SymbolState,
    SymbolStatus,
)
from quotebus.bus.events import HaltKnowledge as HaltKnowledge
from quotebus.bus.halts import KnownHalts
from quotebus.bus.health_owner import HealthOwner
from quotebus.bus.protocol import HEALTH_SILENCE_NS
from quotebus.bus.source_clock import AHEAD_NS, NEAR_NS, SourceClock
from quotebus.bus.verdict import Reasons as Reasons
from quotebus.bus.verdict import Standing as Standing
from quotebus.bus.verdict import Unusable as Unusable
from quotebus.bus.verdict import Verdict as Verdict

MAX_AGE_NS = 60 * NS_PER_S
"""How long a standing quote may stand by default: a quiet market is not a fault, but the price ages all the same."""
MAX_LATE_NS = 10 * NS_PER_S
"""How long after its exchange time a quote may reach the node by default, or by how much before it. Beyond that the
line is behind, or a clock is wrong, and neither way is it known how old the price is."""
MAX_SOURCES = 64


_FLAG_REASONS = [(flag, Unusable[flag.name or ""]) for flag in Flag]
_KNOWN_FLAGS = sum(Flag)
_BACKWARD_TIME = int(Flag.BACKWARD_TIME)  # an enumeration's own & costs more than decoding the quote
_FOREVER_NS = 2**62
_LATE_BY_NATURE = frozenset({FeedClass.DELAYED, FeedClass.INDICATIVE})
"""Accepted by name, so whoever accepts them knows that they are late."""
_TRADED = (SymbolState.LIVE, SymbolState.QUIET)
_NOTHING_HELD: Mapping[str, Quote] = {}
_NOTHING_CLAIMED: Mapping[str, int] = {}
_KNOWN_TO_TRADE = (HaltKnowledge.TRADING, HaltKnowledge.PRESUMED)
_HALT_WORDS = frozenset(HaltKnowledge)
_FRESH_NS = 3 * NS_PER_S // 2
"""An owner that streams and was heard this recently does not lose its place to another source."""


class Book:
    """What a process knows. `on_*` take messages in the order they were received, with the receive instant."""

    def __init__(
        self,
        *,
        max_age_ns: int = MAX_AGE_NS,
        accept: Collection[str] = ACCEPTED_CLASSES,
        max_late_ns: int = MAX_LATE_NS,
    ) -> None:
        """`accept`: the classes of feeds whose prices may be used."""
        self.max_age_ns, self.max_late_ns = max_age_ns, max_late_ns
        self.accept = frozenset(accept)
        self.quotes: dict[str, Quote] = {}
        self.standings: dict[str, Standing] = {}
        self.undecodable_quotes = 0
        self.withdrawn: set[str] = set()
        """Symbols whose held quote an answer disproved; the reader empties it."""
        self.incomplete = False
        """Whether an answer spoke of quotes that are not held, or of symbols released; the reader resets it."""
        self._owner = HealthOwner()
        self._announced: dict[str, tuple[str, int]] = {}
        self._answered_ns: dict[str, tuple[str, int]] = {}
        self._quotes_aside: dict[str, Quote] = {}
        self._standings_aside: dict[str, tuple[Standing, int]] = {}
        self._clocks: dict[str, SourceClock] = {}
        self.halts = KnownHalts()
        self._received_ns = 0

    @property
    def health(self) -> ConnectionHealth | None:
        """The newest health of the node that is believed; None before the first one."""
        return self._owner.health

    @property
    def source(self) -> str | None:
        """The source of that health."""
        return self._owner.source

    def on_message(self, event: Event, received_ns: int) -> None:
        """Note how far a source's clock is from ours; call before the message's own method."""
        self._received_ns = received_ns
        self._clock(event.source).observe(event.published_ns, received_ns)

    def on_round_trip(self, answer: Event, asked_ns: int, received_ns: int) -> bool:
        """The answer to what was asked once at `asked_ns`. False when it contradicts the round trips before it."""
        return self._clock(answer.source).on_round_trip(asked_ns, answer.published_ns, received_ns)

    def is_ahead(self, event: Event, received_ns: int) -> bool:
        """Whether it was stamped later than its source can have published it."""
        clock = self._clocks.get(event.source)
        return clock is not None and clock.is_ahead(event.published_ns, received_ns)

    def latest_stamp_ns(self, received_ns: int) -> int:
        """What the owner can have stamped at most on a message received now; beyond every stamp when not known."""
        clock = self._clocks.get(self.source or "")
        if clock is None or clock.earliest_ns is None:
            return _FOREVER_NS * 4
        return received_ns - clock.earliest_ns + AHEAD_NS

    def _clock(self, source: str) -> SourceClock:
        clock = self._clocks.get(source)
        if clock is None:
            if len(self._clocks) >= MAX_SOURCES:
                del self._clocks[next(name for name in self._clocks if name != self.source)]
            clock = self._clocks[source] = SourceClock()
        return clock

    def on_health(self, health: ConnectionHealth) -> bool:
        """Take a node's health; True when it comes from another source than before, which has thereby taken over."""
        if health.node.endswith(topics.ORDERS):
            return False
        former = self.source
        now_ns = self._received_ns
        if not self._owner.take(health, now_ns, owner_is_well=self._is_well(now_ns)) or former == health.source:
            return False
        self._take_what_was_aside()
        return True

    def confirm(self, source: str, now_ns: int) -> bool:
        """The source answered us: it takes over if its health was heard once and the owner is not well."""
        if not self._owner.confirm(source, owner_is_well=self._is_well(now_ns)):
            return False
        self._take_what_was_aside()
        return True

    def _is_well(self, now_ns: int) -> bool:
        health = self.health
        return health is not None and self.streaming(now_ns) and self.age_ns(health, now_ns) <= _FRESH_NS

    def _take_what_was_aside(self) -> None:
        for symbol, quote in self._quotes_aside.items():
            if quote.source == self.source:
                self.quotes[symbol] = quote
        for symbol, (standing, seq) in self._standings_aside.items():
            if standing.source == self.source:
                self._set_standing(symbol, standing, seq)
        self._quotes_aside, self._standings_aside = {}, {}

    def on_quote(self, quote: Quote) -> bool:
        """Take a quote; True when it replaced the held one."""
        held = self.quotes.get(quote.symbol)
        if held is not None:
            if quote.flags & _BACKWARD_TIME:
                return False
            if held.source == quote.source:
                if quote.seq <= held.seq:
                    return False
            elif held.source == self.source:
                self._quotes_aside[quote.symbol] = quote
                return False
            elif quote.source != self.source and quote.published_ns <= held.published_ns:
                return False
        self.quotes[quote.symbol] = quote
        return True

    def withdraw(self, symbol: str) -> None:
        """Drop the held quote: it was false."""
        self.quotes.pop(symbol, None)

    def on_status(self, status: SymbolStatus) -> bool:
        """Take a symbol's state and the number of its newest quote. False when it is older than the last answer."""
        source, answered_ns = self._answered_ns.get(status.symbol, ("", 0))
        if source == status.source and status.published_ns < answered_ns:
            return False
        standing = make_standing(status, status.source, (status.source, status.seq))
        self._take_standing(status.symbol, standing, status.last_quote_seq)
        return True

    def contradicts(self, status: SymbolStatus) -> bool:
        """Whether a status tells of other quotes than the one that is held, so that the node must be asked."""
        if status.source != self.source:
            return False
        held = self.quotes.get(status.symbol)
        if held is None or held.source != status.source:
            return status.last_quote_seq > 0
        return held.seq < status.last_quote_seq or self.disproves(status)

    def disproves(self, status: SymbolStatus) -> bool:
        """Whether the held quote was no quote of the node's, which by this status has not come so far."""
        held = self.quotes.get(status.symbol)
        if held is None or held.source != status.source or status.source != self.source:
            return False
        if held.seq == status.last_quote_seq:
            return status.last_quote_ns is not None and status.last_quote_ns != held.published_ns
        # A quote may pass the status that was made just before it.
        passed = abs(held.published_ns - status.published_ns) <= NEAR_NS
        return held.seq > status.last_quote_seq and not passed

    def on_acknowledged(
        self,
        ack: SymbolsAcknowledged,
        asked: Mapping[str, Quote] = _NOTHING_HELD,
        claimed: Mapping[str, int] = _NOTHING_CLAIMED,
    ) -> list[Quote]:
        """Take an answer's rows; returns the held quotes among them that are news to this book.

        Args:
            ack: The answer.
            asked: The quotes that were held when it was asked for. One that is still held, and was not published by
                the answer's account, is false.
            claimed: The halts that the request handed over. A node that answers that such a symbol trades knows better.
        """
        fresh: list[Quote] = []
        reference = (f"ack:{ack.source}", ack.seq)
        for row in ack.results:
            standing = make_standing(row, ack.source, reference)
            self._take_standing(row.symbol, standing, row.last_quote_seq)
            if row.symbol in claimed and standing.halt in _KNOWN_TO_TRADE:
                self.halts.deny(row.symbol, claimed[row.symbol])
            self._answered_ns[row.symbol] = (ack.source, ack.published_ns)
            quote = self._read_held(row)
            held = self.quotes.get(row.symbol)
            unchanged = held is not None and held.source == ack.source and asked.get(row.symbol) is held
            if held is not None and unchanged and _disproves(row, quote, held):
                self.withdraw(row.symbol)
                self.withdrawn.add(row.symbol)
            if quote is not None and self.on_quote(quote):
                fresh.append(quote)
            held = self.quotes.get(row.symbol)
            if row.state == SymbolState.RELEASED or (
                row.last_quote_seq > 0
                and (held is None or held.source != ack.source or held.seq < row.last_quote_seq)
                and row.last_quote is None
            ):
                self.incomplete = True
        return fresh

    def _read_held(self, row: AckRow) -> Quote | None:
        if row.last_quote is None:
            return None
        try:
            quote = codec.decode_payload("quote", row.last_quote)
        except UndecodableMessage:
            self.undecodable_quotes += 1
            return None
        return quote if isinstance(quote, Quote) and quote.symbol == row.symbol else None

    def trust_nobody(self) -> None:
        """The bus was away: the next health is believed, whoever sends it."""
        self._owner.unsettle()

    def keep_only(self, symbols: Iterable[str]) -> None:
        """Forget every symbol that is no longer wanted."""
        wanted = set(symbols)
        tables = (self.quotes, self.standings, self._announced, self._answered_ns)
        for table in (*tables, self._quotes_aside, self._standings_aside):
            for symbol in table.keys() - wanted:
                del table[symbol]
        self.halts.keep_only(wanted)

    def age_ns(self, event: Event, now_ns: int) -> int:
        """How long ago a message was published, as our own clock sees it; late delivery counts as age."""
        clock = self._clocks.get(event.source)
        if clock is None:
            return _FOREVER_NS
        return max(-_FOREVER_NS, min(_FOREVER_NS, now_ns - event.published_ns - clock.offset_ns))

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
        if self.halts.is_halted(symbol, now_ns):
            return HaltKnowledge.HALTED
        standing, health = self.standings.get(symbol), self.health
        if standing is None or health is None or not self.streaming(now_ns) or standing.source != health.source:
            return HaltKnowledge.UNKNOWN
        return HaltKnowledge.UNKNOWN if "halts_unknown" in health.detail else standing.halt

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
        if health is not None and health.feed_class not in self.accept:
            reasons.append(Unusable.CLASS_NOT_ACCEPTED)
        if standing is None or health is None or standing.source != health.source:
            reasons.append(Unusable.NO_STATUS)
        elif standing.state not in _TRADED:
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
        late_ns = quote.received_ns - quote.exchange_ns
        if abs(late_ns) > self.max_late_ns and (health is None or health.feed_class not in _LATE_BY_NATURE):
            yield Unusable.EXCHANGE_LATE if late_ns > 0 else Unusable.EXCHANGE_AHEAD
        if age_ns > self.max_age_ns:
            yield Unusable.TOO_OLD

    def _take_standing(self, symbol: str, standing: Standing, quote_seq: int) -> None:
        """Take a state; that of another source than the owner's waits, though a halt counts whoever tells of it."""
        if self.source is None or standing.source == self.source:
            self._set_standing(symbol, standing, quote_seq)
            return
        self._standings_aside[symbol] = (standing, quote_seq)
        if standing.halt is HaltKnowledge.HALTED:
            self.halts.on_rumour(symbol, self._received_ns)

    def _set_standing(self, symbol: str, standing: Standing, quote_seq: int) -> None:
        self.standings[symbol] = standing
        self._announced[symbol] = (standing.source, quote_seq)
        self.halts.take(symbol, standing.source, standing.halt, standing.halt_kind, standing.halt_exchange_ns)


def make_standing(said: SymbolStatus | AckRow, source: str, reference: Reference) -> Standing:
    """A node that does not fill the fields about halts tells of one by the symbol's state alone."""
    halt = HaltKnowledge(said.halt) if said.halt in _HALT_WORDS else HaltKnowledge.UNKNOWN
    if said.state == SymbolState.HALTED and halt is not HaltKnowledge.HALTED:
        return Standing(said.state, said.cause, source, reference, HaltKnowledge.HALTED, asset=said.asset)
    return Standing(said.state, said.cause, source, reference, halt, said.halt_kind, said.halt_exchange_ns, said.asset)


def _disproves(row: AckRow, quote: Quote | None, held: Quote) -> bool:
    """Whether the held quote cannot be the node's: it has no such number yet, or another quote under that number."""
    return row.last_quote_seq < held.seq or (quote is not None and quote.seq == held.seq and quote != held)


def _is_price(price: float | None) -> bool:
    """Whether it is there and finite; written so that a NaN, which no comparison accepts, is none."""
    return price is not None and 0 < price < inf
