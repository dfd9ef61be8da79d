"""The halts that a reader knows of, and what ends them. Pure.

A known halt keeps counting whatever becomes of the line and of the node that told of it. It ends when that node says so
itself, or by evidence of any node that is newer by the exchange's time. One that a node has only from hearsay may be
withdrawn by whoever passed it on last. What a stranger says counts at once, and for 6 s after it was said last.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import HaltKind, HaltKnowledge
from quotebus.bus.protocol import MAX_CLAIMS

MOST_DOUBTED = 20
"""A new halt is confirmed by asking while no more than these are known: in a market-wide halt everybody would ask."""
MOST_RUMOURS = 1_000
RUMOUR_NS = 6 * NS_PER_S
_TRADES = (HaltKnowledge.TRADING, HaltKnowledge.PRESUMED)


class HeardHalt(NamedTuple):
    """A halt that is not known to be over. `exchange_ns` is None where the node gave no time."""

    source: str
    exchange_ns: int | None
    kind: str


class KnownHalts:
    """By symbol."""

    def __init__(self) -> None:
        self._known: dict[str, HeardHalt] = {}
        self._rumours: dict[str, int] = {}
        self._turn = 0

    def is_halted(self, symbol: str, now_ns: int) -> bool:
        """Whether a halt counts at `now_ns`."""
        if symbol in self._known:
            return True
        heard_ns = self._rumours.get(symbol)
        return heard_ns is not None and now_ns - heard_ns <= RUMOUR_NS

    def on_rumour(self, symbol: str, received_ns: int) -> None:
        """A source that is not the believed node says that a symbol is halted."""
        self._rumours.pop(symbol, None)
        if len(self._rumours) >= MOST_RUMOURS:
            del self._rumours[next(iter(self._rumours))]
        self._rumours[symbol] = received_ns

    def __len__(self) -> int:
        return len(self._known)

    def find(self, symbol: str) -> HeardHalt | None:
        """The halt of a symbol; None when none is known."""
        return self._known.get(symbol)

    def take(self, symbol: str, source: str, halt: str, kind: str, exchange_ns: int | None) -> None:
        """Take what a node says of a symbol, in the order of its numbers."""
        known = self._known.get(symbol)
        if halt == HaltKnowledge.HALTED:
            passed_on = known is not None and known.kind == HaltKind.HEARSAY and exchange_ns == known.exchange_ns
            if known is None or known.source == source or passed_on or self._is_newer(exchange_ns, known):
                self._known[symbol] = HeardHalt(source, exchange_ns, kind)
            return
        if known is None:
            return
        if known.source == source or (halt in _TRADES and self._is_newer(exchange_ns, known)):
            del self._known[symbol]

    def deny(self, symbol: str, claimed_ns: int) -> None:
        """A node that was told of this halt in a request knows that the symbol trades."""
        known = self._known.get(symbol)
        if known is not None and known.exchange_ns is not None and known.exchange_ns <= claimed_ns:
            del self._known[symbol]

    def keep_only(self, symbols: Collection[str]) -> None:
        """Forget every symbol that is no longer wanted."""
        for table in (self._known, self._rumours):
            for symbol in table.keys() - symbols:
                del table[symbol]

    def choose_claims(self) -> dict[str, int]:
        """Symbols and times to hand over to a node in a request. Of more than it may hold, each request has others."""
        claims = [(symbol, known.exchange_ns) for symbol, known in self._known.items() if known.exchange_ns is not None]
        if len(claims) <= MAX_CLAIMS:
            return dict(claims)
        start = self._turn % len(claims)
        self._turn += MAX_CLAIMS
        return dict((claims + claims)[start : start + MAX_CLAIMS])

    def _is_newer(self, exchange_ns: int | None, known: HeardHalt) -> bool:
        return exchange_ns is not None and (known.exchange_ns is None or exchange_ns > known.exchange_ns)
