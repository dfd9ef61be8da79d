"""What one connection is subscribed to. Pure. Source: Alpaca's "Real-time stock data", and what users measured."""

from __future__ import annotations

from collections.abc import Mapping

CHANNELS = (
    "trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", "corrections", "cancelErrors",
)  # fmt: skip
OTHER_FEEDS_CHANNELS = frozenset({"orderbooks", "news", "imbalances"})
LIMITED = ("trades", "quotes")
COME_WITH_TRADES = ("corrections", "cancelErrors")
MOST_ENTRIES = 200_000
"""No connection holds more (symbol, channel) pairs than this, whatever the limit."""

Changes = Mapping[str, list[str]]


class Subscriptions:
    """The subscriptions of one connection, up to a `limit`, and the acknowledgement that lists them all."""

    def __init__(self, symbol_limit: int) -> None:
        self.limit = symbol_limit
        self.channels: dict[str, dict[str, None]] = {channel: {} for channel in CHANNELS}

    def add(self, changes: Changes) -> list[str] | None:
        """Add symbols. Returns those new to quotes or trades; above the limit None, and nothing is changed."""
        added = {
            channel: [symbol for symbol in dict.fromkeys(symbols) if symbol not in self.channels[channel]]
            for channel, symbols in changes.items()
        }
        if self._exceeds(added):
            return None
        for channel, symbols in added.items():
            self.channels[channel].update(dict.fromkeys(symbols))
            if channel == "trades":
                for implied in COME_WITH_TRADES:
                    self.channels[implied].update(dict.fromkeys(symbols))
        return list(dict.fromkeys(symbol for channel in LIMITED for symbol in added.get(channel, ())))

    def _exceeds(self, added: Mapping[str, list[str]]) -> bool:
        total = sum(len(symbols) for symbols in self.channels.values())
        if total + 3 * sum(len(symbols) for symbols in added.values()) > MOST_ENTRIES:
            return True
        new = [symbol for channel in LIMITED for symbol in added.get(channel, ())]
        if not self.limit or not new:
            return False
        return "*" in new or len(new) + sum(len(self.channels[channel]) for channel in LIMITED) > self.limit

    def remove(self, changes: Changes) -> None:
        """Remove symbols; unknown ones are ignored."""
        for channel, symbols in changes.items():
            implied = COME_WITH_TRADES if channel == "trades" else ()
            for symbol in symbols:
                for name in (channel, *implied):
                    self.channels[name].pop(symbol, None)

    def acknowledgement(
        self, left_out: frozenset[str] = frozenset(), extra: frozenset[str] = frozenset()
    ) -> dict[str, object]:
        """The message that lists the complete set; for an empty set it has no channel keys.

        `extra` symbols are listed under quotes and, if there are any, under trades.
        """
        message: dict[str, object] = {"T": "subscription"}
        if extra or any(self.channels.values()):
            for channel, symbols in self.channels.items():
                more = extra if channel == "quotes" or (channel == "trades" and symbols) else ()
                message[channel] = [*(s for s in symbols if s not in left_out), *sorted(set(more) - symbols.keys())]
        return message

    def listing(self) -> dict[str, list[str]]:
        """The channels that are not empty, for display."""
        return {channel: list(symbols) for channel, symbols in self.channels.items() if symbols}
