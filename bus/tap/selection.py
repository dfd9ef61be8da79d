"""Which messages to show: topic patterns such as `quote`, `quote.SPY`, `health.*`, and symbols. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from quotebus.bus import topics
from quotebus.bus.events import Event, SymbolsAcknowledged, SymbolsRequested

ALL_KINDS = (
    *("quote", "trade", "symbol", "symbols", "health", "order", "decision", "intent", "report", "recorder", "counters"),
)
_BY_SYMBOL = (topics.quote, topics.trade, topics.status)
_NAMES_SYMBOL = ("symbols.", "order.", "decision.", "intent.", "report.")
"""Kinds whose symbol is in the payload and not in the topic."""


class Selection:
    """Topic patterns and symbols; an empty one selects everything, and a message must satisfy both."""

    def __init__(self, patterns: Iterable[str] = (), symbols: Iterable[str] = ()) -> None:
        """Raises BadSymbol, or ValueError for a pattern that no topic can match."""
        self.patterns = tuple(patterns)
        self.symbols = frozenset(topics.symbol(text) for text in symbols)
        for pattern in self.patterns:
            topics.prefix(pattern)
            if not any(_may_match(pattern, kind) for kind in ALL_KINDS):
                raise ValueError(f"no topic matches {pattern[:40]!r}; topics begin with {', '.join(ALL_KINDS)}")
        self._known: dict[str, bool] = {}

    def prefixes(self) -> list[bytes]:
        """Subscriptions that cover the selection, and as little else as a topic prefix allows."""
        if self.patterns:
            return sorted({prefix for pattern in self.patterns for prefix in _subscriptions(pattern)})
        if self.symbols:
            exact = {topics.prefix(topic(symbol)) for symbol in self.symbols for topic in _BY_SYMBOL}
            return sorted(exact | {kind.encode() for kind in _NAMES_SYMBOL})
        return [b""]

    def topic(self, topic: str) -> bool:
        """Whether a message of this topic may be selected, judged by the topic alone."""
        known = self._known.get(topic)
        if known is None:
            known = self._matches(topic)
            if len(self._known) < topics.MAX_TOPIC_BYTES * 100:
                self._known[topic] = known
        return known

    def event(self, event: Event) -> bool:
        """Whether a message whose topic passed is selected, judged by its content."""
        if not self.symbols:
            return True
        if isinstance(event, SymbolsRequested):
            return not self.symbols.isdisjoint(event.symbols)
        if isinstance(event, SymbolsAcknowledged):
            return not self.symbols.isdisjoint(row.symbol for row in event.results)
        return getattr(event, "symbol", None) in self.symbols

    def _matches(self, topic: str) -> bool:
        if self.patterns and not any(_matches(pattern, topic) for pattern in self.patterns):
            return False
        if not self.symbols or topic.startswith(_NAMES_SYMBOL):
            return True
        return topics.kind(topic) in ("quote", "trade", "symbol") and topics.rest(topic) in self.symbols


def _matches(pattern: str, topic: str) -> bool:
    if "*" in pattern or "?" in pattern:
        return fnmatchcase(topic, pattern)
    return topic == pattern or topic.startswith(pattern if pattern.endswith(".") else f"{pattern}.")


def _may_match(pattern: str, kind: str) -> bool:
    fixed = _fixed(pattern)
    return kind.startswith(fixed) or fixed.startswith(f"{kind}.") or (fixed == pattern and fixed == kind)


def _fixed(pattern: str) -> str:
    """The part before the first wildcard."""
    return pattern[: min((at for at in map(pattern.find, "*?[") if at >= 0), default=len(pattern))]


def _subscriptions(pattern: str) -> Sequence[bytes]:
    fixed = _fixed(pattern)
    if fixed != pattern or pattern.endswith("."):
        return [fixed.encode()]
    return [topics.prefix(pattern), f"{pattern}.".encode()]
