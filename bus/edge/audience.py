"""Who gets which symbol on which channel. Pure: the members are any objects that can be kept in a set."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Set
from typing import Generic, TypeVar

from quotebus.bus.edge.edge_session import ALL, SERVED

MemberT = TypeVar("MemberT", bound=Hashable)


class Audience(Generic[MemberT]):
    """Members with their subscriptions. `*` is every symbol that is heard: no symbol is asked for because of it."""

    def __init__(self) -> None:
        self._subscribed: dict[MemberT, dict[str, frozenset[str]]] = {}
        self._found: dict[tuple[str, str], tuple[MemberT, ...]] = {}
        self._holders: dict[str, dict[str, int]] = {channel: {} for channel in SERVED}

    def __len__(self) -> int:
        return len(self._subscribed)

    def members(self) -> list[MemberT]:
        """All who have ever subscribed and are still there."""
        return list(self._subscribed)

    def update(self, member: MemberT, subscribed: Mapping[str, Set[str]]) -> None:
        """These are a member's subscriptions from now on, and no others."""
        self._count(self._subscribed.get(member, {}), -1)
        self._subscribed[member] = {channel: frozenset(subscribed[channel]) for channel in SERVED}
        self._count(self._subscribed[member], 1)
        self._found.clear()

    def remove(self, member: MemberT) -> None:
        """It has gone; may be repeated."""
        self._count(self._subscribed.pop(member, {}), -1)
        self._found.clear()

    def find(self, channel: str, symbol: str) -> tuple[MemberT, ...]:
        """The members that get this symbol on this channel."""
        found = self._found.get((channel, symbol))
        if found is None:
            wanted = {symbol, ALL}
            found = tuple(member for member, held in self._subscribed.items() if not wanted.isdisjoint(held[channel]))
            self._found[channel, symbol] = found
        return found

    def symbols(self, channel: str) -> set[str]:
        """What somebody wants by name on this channel."""
        return set(self._holders[channel])

    def _count(self, subscribed: Mapping[str, Set[str]], by: int) -> None:
        for channel, symbols in subscribed.items():
            holders = self._holders[channel]
            for symbol in symbols - {ALL}:
                holders[symbol] = holders.get(symbol, 0) + by
                if not holders[symbol]:
                    del holders[symbol]
