"""What no client wants any more and stays subscribed for a moment, since one false request may have dropped it. Pure.

The client whose symbol it was hears that it is released and asks again at once. Within the grace it gets its price back
as if nothing had been; after it, in a quiet market, the price would come only with the next quote, minutes later.
"""

from __future__ import annotations

from collections.abc import Iterator

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.protocol import MAX_NODE_SYMBOLS

GRACE_NS = 2 * NS_PER_S
"""A client that hears of a release asks again within 1.2 s, since it does so at most once a second, spread over 200 ms;
one more request may be lost."""


class Grace:
    """Symbols within their grace, the one that ends first in front; at most as many as a node may hold besides.

    `pairs`: their (symbol, channel) pairs, which count under the upstream's symbol limit. Times are on the lease clock,
    which stands still while a client could not be heard.
    """

    def __init__(self) -> None:
        self.pairs = 0
        self._channels: dict[str, tuple[str, ...]] = {}
        self._until_ns: dict[str, int] = {}

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._channels

    def __iter__(self) -> Iterator[str]:
        return iter(self._channels)

    def channels(self) -> dict[str, tuple[str, ...]]:
        """Symbol to the data channels that stay subscribed."""
        return self._channels

    def begin(self, symbol: str, channels: tuple[str, ...], lease_now_ns: int) -> None:
        """The last client has released the symbol."""
        self._channels[symbol] = channels
        self._until_ns[symbol] = lease_now_ns + GRACE_NS
        self.pairs += len(channels)

    def end(self, symbol: str) -> None:
        """The symbol is wanted again, or it is unsubscribed."""
        self.pairs -= len(self._channels.pop(symbol))
        del self._until_ns[symbol]

    def clear(self) -> None:
        self.pairs = 0
        self._channels.clear()
        self._until_ns.clear()

    def list_over(self, lease_now_ns: int) -> list[str]:
        """The symbols whose grace is over."""
        over: list[str] = []
        for symbol, until_ns in self._until_ns.items():
            if until_ns > lease_now_ns:
                break
            over.append(symbol)
        return over

    def list_beyond(self, spare_pairs: int | None) -> list[str]:
        """The symbols that must go so that the others fit into `spare_pairs`, None for no limit."""
        too_many = len(self._channels) - MAX_NODE_SYMBOLS
        pairs = self.pairs
        beyond: list[str] = []
        for symbol, channels in self._channels.items():
            if len(beyond) >= too_many and (spare_pairs is None or pairs <= spare_pairs):
                break
            beyond.append(symbol)
            pairs -= len(channels)
        return beyond

    def next_ns(self) -> int | None:
        """When the next grace ends, on the lease clock."""
        return next(iter(self._until_ns.values()), None)
