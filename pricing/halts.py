"""What is known of each symbol's halt, and the evidence it rests on. Pure.

All times in here are the exchange's, and are compared with each other only. A status of the exchange begins a halt; a
newer resume status ends it, or a print that the table of sale conditions lets prove it. That no halt is known says
nothing by itself: a symbol is presumed to trade once a trade is newer than the moment from which on every halt would
have been reported to us, `cover`. The upstream reports a halt once and does not repeat it to a new connection, so a
known one outlives the connection, an eviction, a release and the program. A halt that only another program told us of
is hearsay: taken when we cannot know better, and forgotten on the next day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Cause, HaltKind, HaltKnowledge
from quotebus.bus.states import NO_HALT_KIND
from quotebus.pricing.new_york import local_time

MAX_HALTS = 20_000
"""Beyond this the oldest one is forgotten; there are about 11,000 symbols, and a market-wide halt is of all."""
PRINT_AFTER_NS = 15 * NS_PER_S
"""A trade report may be as old as this without saying so: an earlier one may be from before the halt."""
OVERLAP_NS = 2 * NS_PER_S
"""Hearsay up to this much newer than our own subscription to statuses is taken: it may have begun in between."""
AHEAD_NS = 60 * NS_PER_S
"""Hearsay of the next day is kept so much before that begins by our clock."""
NIGHT_NS = 4 * 3_600 * NS_PER_S
"""The night from 20:00 New York on belongs to the next day."""


class Belief(NamedTuple):
    """What is published of one symbol: `halt`, `halt_kind` and `halt_exchange_ns`."""

    halt: HaltKnowledge
    kind: HaltKind = NO_HALT_KIND
    exchange_ns: int | None = None


UNKNOWN = Belief(HaltKnowledge.UNKNOWN)


@dataclass(slots=True)
class KnownHalt:
    """A halt that is not known to be over. `kind`: STATUS, or HEARSAY."""

    symbol: str
    exchange_ns: int
    cause: Cause
    kind: HaltKind


class _Trading(NamedTuple):
    """The newest evidence that a symbol trades. `after_halt`: it ended one."""

    exchange_ns: int
    kind: HaltKind
    after_halt: bool


def find_day(exchange_ns: int) -> int:
    """The number of the trading day that a time belongs to."""
    return local_time(exchange_ns + NIGHT_NS)[0]


class Halts:
    """Evidence by symbol.

    `doubtful`: known halts whose end may have gone unnoticed. `changes` counts changes of the known halts.
    """

    def __init__(self, *, venue_halts: bool = True, in_time: bool = True) -> None:
        """`venue_halts`: the venue halts symbols at all. `in_time`: trades and statuses are neither delayed nor
        indicative; else they end no halt.
        """
        self.doubtful: set[str] = set()
        self.changes = 0
        self._venue_halts = venue_halts
        self._in_time = in_time
        self._known: dict[str, KnownHalt] = {}
        self._traded: dict[str, _Trading] = {}
        self._proven: set[str] = set()
        self._covers_all = False
        self._since_all_ns: int | None = None
        self._since_ns: dict[str, int | None] = {}

    # what is known

    def belief(self, symbol: str) -> Belief:
        """What is known of a symbol now."""
        if not self._venue_halts:
            return Belief(HaltKnowledge.TRADING, HaltKind.CAPABILITY)
        known = self._known.get(symbol)
        if known is not None:
            return Belief(HaltKnowledge.HALTED, known.kind, known.exchange_ns)
        traded = self._traded.get(symbol)
        if traded is None or symbol not in self._proven:
            return UNKNOWN
        sure = traded.after_halt or traded.kind is HaltKind.STATUS
        return Belief(HaltKnowledge.TRADING if sure else HaltKnowledge.PRESUMED, traded.kind, traded.exchange_ns)

    def find(self, symbol: str) -> KnownHalt | None:
        """A symbol's halt; None when none is known."""
        return self._known.get(symbol)

    def list_known(self) -> list[KnownHalt]:
        """All known halts."""
        return list(self._known.values())

    def prove_after_ns(self, symbol: str) -> tuple[int, int] | None:
        """After which times a regular print, and a reopening one, would be news; None when none would be."""
        known = self._known.get(symbol)
        if not self._in_time or not self._venue_halts:
            return None
        if known is not None:
            return known.exchange_ns + PRINT_AFTER_NS - 1, known.exchange_ns
        since_ns = self.covered_since_ns(symbol)
        return None if since_ns is None or symbol in self._proven else (since_ns, since_ns)

    # statuses of our own

    def covers(self, symbol: str) -> bool:
        """Whether a halt of this symbol would be reported to us."""
        return self._covers_all or symbol in self._since_ns

    def covered_since_ns(self, symbol: str) -> int | None:
        """Since when; None when it is not covered, or no time of the exchange was seen since."""
        return self._since_all_ns if self._covers_all else self._since_ns.get(symbol)

    def cover_all(self, exchange_ns: int | None) -> list[str]:
        """Statuses of all symbols are acknowledged. `exchange_ns`: the exchange's newest time seen on this connection,
        None before any; then call again. Returns the symbols whose hearsay is thereby refuted.
        """
        if self._covers_all and (self._since_all_ns is not None or exchange_ns is None):
            return []
        self._covers_all, self._since_all_ns = True, exchange_ns
        return self._refute(self._known, exchange_ns)

    def cover(self, symbols: Collection[str], exchange_ns: int | None) -> list[str]:
        """Statuses of these symbols are acknowledged, and of no others; as `cover_all`."""
        for symbol in self._since_ns.keys() - symbols:
            self.uncover(symbol)
        new = [symbol for symbol in symbols if self._since_ns.get(symbol) is None]
        self._since_ns.update(dict.fromkeys(new, exchange_ns))
        return self._refute(new, exchange_ns)

    @property
    def covers_all(self) -> bool:
        """Whether a halt of any symbol would be reported to us."""
        return self._covers_all

    @property
    def awaits_time(self) -> bool:
        """Whether statuses are covered since a time of the exchange that is not known yet."""
        return (self._covers_all and self._since_all_ns is None) or None in self._since_ns.values()

    def uncover_all(self) -> None:
        """The connection, or the subscription to statuses, has ended: halts may begin and end unnoticed."""
        self._covers_all, self._since_all_ns = False, None
        self._since_ns.clear()
        self._proven.clear()
        self.doubtful.update(self._known)

    def uncover(self, symbol: str) -> None:
        """Its own subscription to statuses has ended."""
        if self._covers_all:
            return
        self._since_ns.pop(symbol, None)
        self._proven.discard(symbol)
        if symbol in self._known:
            self.doubtful.add(symbol)

    # evidence

    def on_halt(self, symbol: str, exchange_ns: int, cause: Cause) -> bool:
        """The exchange has reported a halt. False when it is older than what is known."""
        traded = self._traded.get(symbol)
        if traded is not None and traded.kind is HaltKind.STATUS and traded.exchange_ns >= exchange_ns:
            return False
        known = self._known.get(symbol)
        if known is not None and known.kind is HaltKind.STATUS and known.exchange_ns > exchange_ns:
            return False
        self._begin(KnownHalt(symbol, exchange_ns, cause, HaltKind.STATUS))
        if self.covers(symbol):
            self.doubtful.discard(symbol)
        return True

    def on_resume(self, symbol: str, exchange_ns: int) -> bool:
        """The exchange has reported that trading resumes. True when that is news."""
        known = self._known.get(symbol)
        if not self._in_time or (known is not None and exchange_ns <= known.exchange_ns):
            return False
        self._trade(symbol, _Trading(exchange_ns, HaltKind.STATUS, after_halt=known is not None))
        if self.covers(symbol):
            self._proven.add(symbol)
        return True

    def on_print(self, symbol: str, exchange_ns: int, kind: HaltKind, *, reopening: bool) -> bool:
        """A trade that proves trading; `kind` is PRINT or REST. True when that is news."""
        known, since_ns = self._known.get(symbol), self.covered_since_ns(symbol)
        if not self._in_time:
            return False
        if known is not None and exchange_ns < known.exchange_ns + (1 if reopening else PRINT_AFTER_NS):
            return False
        proves = since_ns is not None and exchange_ns > since_ns and symbol not in self._proven
        if known is None and not proves:
            self._note_older(symbol, exchange_ns, kind)
            return False
        self._trade(symbol, _Trading(exchange_ns, kind, after_halt=known is not None))
        if since_ns is not None and exchange_ns > since_ns:
            self._proven.add(symbol)
        return True

    def on_hearsay(self, symbol: str, exchange_ns: int, utc_ns: int) -> bool:
        """Another program says that the symbol is halted. True when it is believed until we know better."""
        known, traded = self._known.get(symbol), self._traded.get(symbol)
        if not self._venue_halts or exchange_ns <= 0 or find_day(exchange_ns) < find_day(utc_ns):
            return False
        if known is not None and (known.kind is HaltKind.STATUS or known.exchange_ns >= exchange_ns):
            return False
        if traded is not None and traded.exchange_ns >= exchange_ns:
            return False
        since_ns = self.covered_since_ns(symbol)
        if since_ns is not None and exchange_ns > since_ns + OVERLAP_NS:
            return False
        self._begin(KnownHalt(symbol, exchange_ns, Cause.HALT, HaltKind.HEARSAY))
        self.doubtful.add(symbol)
        return True

    def forget_old_hearsay(self, utc_ns: int) -> list[str]:
        """From the next day on hearsay says nothing, and of a day to come it says nothing now: else it would be newer
        than all evidence, and never of yesterday. Returns the symbols of which it did.
        """
        today, tomorrow = find_day(utc_ns), find_day(utc_ns + AHEAD_NS)
        old = [
            known.symbol
            for known in self._known.values()
            if known.kind is HaltKind.HEARSAY and not today <= find_day(known.exchange_ns) <= tomorrow
        ]
        return [symbol for symbol in old if self._end(symbol)]

    def restore(self, halts: Iterable[KnownHalt]) -> list[str]:
        """Take halts that were kept since an earlier life. Returns the symbols of which they are news."""
        news: list[str] = []
        for kept in halts:
            known, traded = self._known.get(kept.symbol), self._traded.get(kept.symbol)
            if known is not None and (known.exchange_ns >= kept.exchange_ns or known.kind is HaltKind.STATUS):
                continue
            if traded is not None and traded.exchange_ns >= kept.exchange_ns:
                continue
            self._begin(kept)
            self.doubtful.add(kept.symbol)
            news.append(kept.symbol)
        return news

    # inside

    def _begin(self, halt: KnownHalt) -> None:
        if self._known.get(halt.symbol) == halt:
            return
        self._known.pop(halt.symbol, None)
        if len(self._known) >= MAX_HALTS:
            self._end(next(iter(self._known)))
        self._known[halt.symbol] = halt
        self._proven.discard(halt.symbol)
        self.changes += 1

    def _end(self, symbol: str) -> bool:
        self.doubtful.discard(symbol)
        if self._known.pop(symbol, None) is None:
            return False
        self.changes += 1
        return True

    def _trade(self, symbol: str, trading: _Trading) -> None:
        self._end(symbol)
        former = self._traded.pop(symbol, None)
        if len(self._traded) >= MAX_HALTS:
            del self._traded[next(iter(self._traded))]
        newest_ns = trading.exchange_ns if former is None else max(former.exchange_ns, trading.exchange_ns)
        self._traded[symbol] = trading._replace(exchange_ns=newest_ns)

    def _note_older(self, symbol: str, exchange_ns: int, kind: HaltKind) -> None:
        """Trading before we were covered: it proves nothing of now, but refuses older hearsay."""
        former = self._traded.get(symbol)
        if former is None or former.exchange_ns < exchange_ns:
            after_halt = former is not None and former.after_halt
            self._trade(symbol, _Trading(exchange_ns, kind if former is None else former.kind, after_halt=after_halt))

    def _refute(self, symbols: Iterable[str], since_ns: int | None) -> list[str]:
        """Hearsay of what we would have been told ourselves is false."""
        if since_ns is None:
            return []
        false = [
            symbol
            for symbol in symbols
            if (known := self._known.get(symbol)) is not None
            and known.kind is HaltKind.HEARSAY
            and known.exchange_ns > since_ns + OVERLAP_NS
        ]
        return [symbol for symbol in false if self._end(symbol)]
