"""Wanted and acknowledged subscriptions of one connection, and the difference between them. Pure.

An entry is one channel of one symbol. What is missing and what is too much is updated entry by entry, so that an answer
or a change of demand among ten thousand symbols costs no more than what it changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

DATA_CHANNELS = ("quotes", "trades")
STATUSES = "statuses"
LULDS = "lulds"
SIDE_CHANNELS = (STATUSES, LULDS)
"""Subscribed along with every symbol, after its data, and done without where the feed does not have them."""
CHANNELS = (*DATA_CHANNELS, *SIDE_CHANNELS)
DATA = "data"
ALL = "*"
"""In place of a symbol: the statuses of all symbols at once."""

Entry = tuple[str, str]
"""(channel, symbol)"""


class SubscriptionSet:
    """`wanted` (in order of importance), `acknowledged`, `missing` (by kind: data, then each side channel), `extra`."""

    def __init__(self) -> None:
        self.all_statuses = True
        self.wanted: dict[Entry, None] = {}
        self.acknowledged: set[Entry] = set()
        self.missing: dict[str, dict[Entry, None]] = {DATA: {}, STATUSES: {}, LULDS: {}}
        self.extra: set[Entry] = set()
        self._listed: dict[str, set[str]] = {channel: set() for channel in CHANNELS}
        self._symbols: dict[str, tuple[str, ...]] = {}
        self._given_up: set[Entry] = set()
        self._refused: set[str] = set()
        self._complete: set[str] = set()
        self._without_status: set[str] = set()

    # changes

    def reset(self) -> None:
        """A new connection has acknowledged nothing and refused nothing."""
        self.acknowledged = set()
        self._listed = {channel: set() for channel in CHANNELS}
        self._given_up.clear()
        self._refused.clear()
        self._refile_all()

    def want_all_statuses(self, wanted: bool) -> None:
        """Statuses of all symbols in one entry, or else those of each wanted symbol."""
        if wanted is not self.all_statuses:
            self.all_statuses = wanted
            self._refile_all()

    def replace(self, symbols: dict[str, tuple[str, ...]], beside: Iterable[Entry]) -> set[Entry]:
        """Replace what is wanted. Returns the entries that only one of old and new has."""
        former, self._symbols = self.wanted, symbols
        self.wanted = {(channel, symbol): None for symbol, channels in symbols.items() for channel in channels}
        self.wanted.update(dict.fromkeys(beside))
        changed = former.keys() ^ self.wanted.keys()
        self._given_up = {entry for entry in self._given_up if entry[1] in symbols and entry not in changed}
        self._refused = {symbol for _, symbol in self._given_up if self.has_given_up(symbol)}
        self._refile_all()
        return changed

    def replace_symbol(self, symbol: str, channels: tuple[str, ...]) -> list[Entry]:
        """Replace what is wanted of one symbol, () for nothing. Returns its entries that have changed."""
        if channels and symbol not in self._symbols and self._is_untouched():
            return self._file_new(symbol, channels)
        if channels:
            self._symbols[symbol] = channels
        else:
            self._symbols.pop(symbol, None)
        changed: list[Entry] = []
        for channel in DATA_CHANNELS:
            entry = (channel, symbol)
            if (entry in self.wanted) != (channel in channels):
                changed.append(entry)
            if channel in channels:
                self.wanted.setdefault(entry)
            else:
                self.wanted.pop(entry, None)
        if not channels:
            changed += [(channel, symbol) for channel in SIDE_CHANNELS]
        self._given_up.difference_update(changed)
        self._refused.discard(symbol)
        if self.has_given_up(symbol):
            self._refused.add(symbol)
        self._refile(symbol)
        self._refile_all_statuses()
        return changed

    def acknowledge(self, listing: Mapping[str, Iterable[str]]) -> list[str]:
        """Take the upstream's entire set, by channel. Returns the symbols that got an entry and have all their data."""
        added: list[Entry] = []
        gone: list[Entry] = []
        for channel in CHANNELS:
            former, listed = self._listed[channel], set(listing.get(channel, ()))
            self._listed[channel] = listed
            added += [(channel, symbol) for symbol in listed - former]
            gone += [(channel, symbol) for symbol in former - listed]
        self.acknowledged.update(added)
        self.acknowledged.difference_update(gone)
        for entry in added:
            self._file_acknowledged(entry)
        for symbol in {symbol for _, symbol in gone}:
            self._refile(symbol)
        return [symbol for symbol in {symbol for _, symbol in added} if symbol in self._complete]

    def give_up(self, entry: Entry) -> bool:
        """Stop requesting an entry. True when it is wanted data, so that its symbol is refused as a whole."""
        channel, symbol = entry
        refused = self.is_wanted(entry) and channel in self._symbols[symbol]
        self._given_up.add(entry)
        if refused:
            self._refused.add(symbol)
        self._refile(symbol)
        return refused

    # what holds

    def wants(self, channel: str, symbol: str) -> bool:
        """Whether this channel of a symbol is wanted now."""
        return (channel, symbol) in self.wanted

    def channels(self, symbol: str) -> tuple[str, ...]:
        """The data channels wanted of a symbol now."""
        return self._symbols.get(symbol, ())

    def is_wanted(self, entry: Entry) -> bool:
        """Whether an entry should be subscribed: wanted, or a side channel, of a symbol that is not refused."""
        channel, symbol = entry
        if symbol == ALL:
            return channel == STATUSES and self.all_statuses and bool(self._symbols)
        if symbol in self._refused or (channel == STATUSES and self.all_statuses):
            return False
        return symbol in self._symbols if channel in SIDE_CHANNELS else entry in self.wanted

    def is_settled(self, entry: Entry) -> bool:
        """Whether an entry is subscribed exactly if it should be."""
        return (entry in self.acknowledged) == self.is_wanted(entry)

    def has_all(self, symbol: str) -> bool:
        """Whether every data channel wanted of a symbol is acknowledged."""
        return symbol in self._complete

    def has_given_up(self, symbol: str) -> bool:
        """Whether some wanted data of a symbol was refused on this connection."""
        return self.has_refused(symbol, self._symbols.get(symbol, ()))

    def has_refused(self, symbol: str, channels: Iterable[str]) -> bool:
        """Whether one of these channels of a symbol was refused on this connection."""
        return bool(self._given_up) and any((channel, symbol) in self._given_up for channel in channels)

    def has_refused_any(self) -> bool:
        """Whether some wanted symbol was refused on this connection."""
        return bool(self._refused)

    def has_pending(self) -> bool:
        """Whether some wanted data is neither acknowledged nor given up."""
        return bool(self.missing[DATA])

    def has_all_statuses(self) -> bool:
        """Whether a halt of any wanted symbol would be reported to us."""
        return (STATUSES, ALL) in self.acknowledged or not self._without_status

    def count_data(self) -> int:
        """(symbol, channel) pairs that count towards the upstream's limit."""
        return sum(channel not in SIDE_CHANNELS for channel, _ in self.acknowledged)

    def count_acknowledged(self) -> int:
        """(symbol, channel) pairs that are wanted and acknowledged."""
        return sum(entry in self.acknowledged for entry in self.wanted)

    def count_symbols(self) -> int:
        """Wanted symbols with every data channel acknowledged."""
        return len(self._complete)

    # inside

    def _is_untouched(self) -> bool:
        """Whether the upstream has neither acknowledged nor refused anything: then all that is wanted is missing."""
        return not (self.acknowledged or self._given_up or self._refused)

    def _refile_all(self) -> None:
        """Rebuild what is missing and what is too much, in the order of what is wanted."""
        for entries in self.missing.values():
            entries.clear()
        for filed in (self.extra, self._complete, self._without_status):
            filed.clear()
        if self._is_untouched():
            both = [(channel, symbol) for symbol in self._symbols for channel in DATA_CHANNELS]
            self.missing[DATA].update((entry, None) for entry in both if entry in self.wanted)
            for channel in self._side_channels():
                self.missing[channel].update(((channel, symbol), None) for symbol in self._symbols)
            self._refile_all_statuses()
            self._without_status.update(symbol for symbol, channels in self._symbols.items() if channels)
            return
        for symbol in self._symbols:
            self._refile(symbol)
        for symbol in {symbol for _, symbol in self.acknowledged} - self._symbols.keys():
            self._refile(symbol)
        self._refile_all_statuses()

    def _file_new(self, symbol: str, channels: tuple[str, ...]) -> list[Entry]:
        """File a symbol that was not wanted, on a connection that has acknowledged and refused nothing."""
        self._symbols[symbol] = channels
        added = [(channel, symbol) for channel in DATA_CHANNELS if channel in channels]
        for entry in added:
            self.wanted[entry] = self.missing[DATA][entry] = None
        for channel in self._side_channels():
            self.missing[channel][channel, symbol] = None
        self._refile_all_statuses()
        self._without_status.add(symbol)
        return added

    def _file_acknowledged(self, entry: Entry) -> None:
        """File an entry that has been acknowledged: the common case, a wanted one of a symbol that is not refused."""
        channel, symbol = entry
        channels, side = self._symbols.get(symbol), channel in SIDE_CHANNELS
        plain = side or entry in self.wanted if channel != STATUSES else not self.all_statuses
        if not channels or symbol in self._refused or entry in self._given_up or not plain:
            self._refile(symbol)
            return
        self.missing[channel if side else DATA].pop(entry, None)
        if channel == STATUSES:
            self._without_status.discard(symbol)
        elif not side and all((each, symbol) in self.acknowledged for each in channels):
            self._complete.add(symbol)

    def _refile(self, symbol: str) -> None:
        """Update what is missing and what is too much of one symbol."""
        if symbol == ALL:
            self._refile_all_statuses()
            return
        acknowledged, given_up = self.acknowledged, self._given_up
        channels = self._symbols.get(symbol)
        if symbol in self._refused:
            channels = None
        for channel in CHANNELS:
            entry = (channel, symbol)
            side = channel in SIDE_CHANNELS
            wanted, had = channels is not None and (side or entry in self.wanted), entry in acknowledged
            if channel == STATUSES and self.all_statuses:
                wanted = False
            missing = self.missing[channel if side else DATA]
            if wanted and not had and entry not in given_up:
                missing.setdefault(entry)
            else:
                missing.pop(entry, None)
            if had and not wanted and entry not in given_up:
                self.extra.add(entry)
            else:
                self.extra.discard(entry)
        if channels and all((channel, symbol) in acknowledged for channel in channels):
            self._complete.add(symbol)
        else:
            self._complete.discard(symbol)
        if channels and (STATUSES, symbol) not in acknowledged:
            self._without_status.add(symbol)
        else:
            self._without_status.discard(symbol)

    def _side_channels(self) -> tuple[str, ...]:
        """Those that are subscribed to symbol by symbol."""
        return (LULDS,) if self.all_statuses else SIDE_CHANNELS

    def _refile_all_statuses(self) -> None:
        entry = (STATUSES, ALL)
        wanted, had = self.is_wanted(entry), entry in self.acknowledged
        if wanted and not had and entry not in self._given_up:
            self.missing[STATUSES].setdefault(entry)
        else:
            self.missing[STATUSES].pop(entry, None)
        if had and not wanted and entry not in self._given_up:
            self.extra.add(entry)
        else:
            self.extra.discard(entry)
