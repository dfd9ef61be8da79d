"""Wanted against acknowledged subscriptions: one request to the upstream at a time, reconciled by each answer. Pure.

Alpaca answers every subscribe and unsubscribe with the entire subscribed set and no reference to the request, so only
one may be open. A wanted symbol missing from the answer is requested again after 1, 2 and 4 s, then given up; a symbol
in the answer that is not wanted is unsubscribed. A refused request is halved until the bad entry is alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Cause
from quotebus.pricing.messages import Subscription

DATA_CHANNELS = ("quotes", "trades")
STATUSES = "statuses"
LULDS = "lulds"
SIDE_CHANNELS = (STATUSES, LULDS)
"""Subscribed along with every symbol, after its data, and done without where the feed does not have them."""
CHANNELS = (*DATA_CHANNELS, *SIDE_CHANNELS)
DATA = "data"
MAX_ENTRIES = 1_000
ACK_TIMEOUT_NS = 5 * NS_PER_S
ASK_AGAIN_NS = (NS_PER_S, 2 * NS_PER_S, 4 * NS_PER_S)

Entry = tuple[str, str]
"""(channel, symbol)"""


@dataclass(slots=True)
class UpstreamRequest:
    """The one open request to the upstream: subscribe or unsubscribe."""

    action: str
    entries: list[Entry]
    deadline_ns: int

    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = {"action": self.action}
        for channel, symbol in self.entries:
            message.setdefault(channel, []).append(symbol)
        return message


@dataclass(slots=True)
class SubscriptionChange:
    """What an answer changed. `learned_limit`: how many (symbol, channel) pairs the upstream accepts."""

    acknowledged: list[str] = field(default_factory=list)
    refused: list[tuple[str, Cause]] = field(default_factory=list)
    learned_limit: int | None = None


class Reconciler:
    """Wanted and acknowledged entries of one connection; `reset` for the next.

    What is missing and what is too much is updated entry by entry, so that an answer or a change of demand among ten
    thousand symbols costs no more than what it changes.
    """

    def __init__(self) -> None:
        self.wanted: dict[Entry, None] = {}
        self.acknowledged: set[Entry] = set()
        self.open_request: UpstreamRequest | None = None
        self._symbols: dict[str, tuple[str, ...]] = {}
        self._misses: dict[Entry, tuple[int, int]] = {}
        self._given_up: set[Entry] = set()
        self._refused: set[str] = set()
        self._without: set[str] = set()
        self._missing: dict[str, dict[Entry, None]] = {DATA: {}, STATUSES: {}, LULDS: {}}
        self._extra: set[Entry] = set()
        self._complete: set[str] = set()
        self._without_status: set[str] = set()
        self._batch = MAX_ENTRIES
        self._dirty = True

    def reset(self) -> None:
        """A new connection has acknowledged nothing and refused nothing."""
        self.acknowledged = set()
        self.open_request = None
        self._without.clear()
        self._misses.clear()
        self._given_up.clear()
        self._refused.clear()
        self._batch = MAX_ENTRIES
        self._refile_all()

    def want(self, symbols: dict[str, tuple[str, ...]], beside: Iterable[Entry] = ()) -> None:
        """Replace what is wanted: symbol to data channels, most important first.

        `beside` are further entries of these symbols that can be done without. While a refused channel of a symbol is
        wanted, the symbol is requested on no channel.
        """
        former, self._symbols = self.wanted, symbols
        self.wanted = {(channel, symbol): None for symbol, channels in symbols.items() for channel in channels}
        self.wanted.update(dict.fromkeys(beside))
        for entry in [*self._misses, *self._given_up]:
            if entry[1] not in symbols or (entry in former) != (entry in self.wanted):
                self._forget(entry)
        self._refused = {symbol for _, symbol in self._given_up if self.has_given_up(symbol)}
        self._refile_all()

    def want_symbol(self, symbol: str, channels: tuple[str, ...]) -> None:
        """Replace what is wanted of one symbol, () for nothing. A new symbol is requested after those before it."""
        if channels:
            self._symbols[symbol] = channels
        else:
            self._symbols.pop(symbol, None)
        for channel in DATA_CHANNELS:
            entry = (channel, symbol)
            if (entry in self.wanted) != (channel in channels):
                self._forget(entry)
            if channel in channels:
                self.wanted.setdefault(entry)
            else:
                self.wanted.pop(entry, None)
        if not channels:
            for channel in SIDE_CHANNELS:
                self._forget((channel, symbol))
        self._refused.discard(symbol)
        if self.has_given_up(symbol):
            self._refused.add(symbol)
        self._refile(symbol)
        self._dirty = True

    def next_request(self, now_ns: int) -> UpstreamRequest | None:
        """The next request to send; None when the sets agree or an answer is awaited."""
        if self.open_request is not None or not self._dirty:
            return None
        self._dirty = False
        for action, entries in self._differences(now_ns):
            batch = list(islice(entries, self._batch))
            if batch:
                self._dirty = True
                self.open_request = UpstreamRequest(action, batch, now_ns + ACK_TIMEOUT_NS)
                return self.open_request
        return None

    def on_answer(self, answer: Subscription, now_ns: int) -> SubscriptionChange:
        """Take the upstream's answer, which is its entire set."""
        outcome = SubscriptionChange()
        channels = (
            *(("quotes", answer.quotes), ("trades", answer.trades)),
            *((STATUSES, answer.statuses), (LULDS, answer.lulds)),
        )
        new = {(channel, symbol) for channel, symbols in channels for symbol in symbols}
        added, gone = new - self.acknowledged, self.acknowledged - new
        self.acknowledged = new
        for symbol in {symbol for _, symbol in added | gone}:
            self._refile(symbol)
        outcome.acknowledged = [symbol for symbol in {symbol for _, symbol in added} if symbol in self._complete]
        asked, self.open_request = self.open_request, None
        if asked is not None:
            self._batch = min(self._batch * 2, MAX_ENTRIES)
            self._retry_undone(asked, now_ns, outcome)
        for entry in [entry for entry in self._misses if self._is_done(entry)]:
            del self._misses[entry]
        self._dirty = True
        return outcome

    def on_error(self, cause: Cause) -> SubscriptionChange:
        """The open request was refused; the upstream's set is unchanged."""
        outcome = SubscriptionChange()
        asked, self.open_request = self.open_request, None
        self._dirty = True
        if asked is None:
            return outcome
        entry, subscribing = asked.entries[0], asked.action == "subscribe"
        # Bands cannot fail because of a symbol: a bad symbol was refused with its data already.
        if subscribing and (entry[0] == LULDS or (entry[0] == STATUSES and cause is not Cause.BAD_SYMBOL)):
            self._do_without(entry[0])
        elif len(asked.entries) > 1:
            self._batch = max(1, len(asked.entries) // 2)
        elif self._is_wanted(entry) != subscribing:
            return outcome  # demand has changed since
        elif subscribing and cause is Cause.SYMBOL_LIMIT:
            askable = sum(self._is_wanted(entry) for entry in self.wanted)
            outcome.learned_limit = min(self.count_data(), askable - 1)
        else:
            self._misses.pop(entry, None)
            self._give_up(entry, cause, outcome)
        return outcome

    def drop_overdue_side_request(self) -> bool:
        """The open request timed out. True when it was for a side channel, which is then done without."""
        asked = self.open_request
        if asked is None or asked.action != "subscribe" or asked.entries[0][0] not in SIDE_CHANNELS:
            return False
        self.open_request = None
        self._do_without(asked.entries[0][0])
        self._dirty = True
        return True

    def _do_without(self, channel: str) -> None:
        self._without.add(channel)
        for missing in [missing for missing in self._misses if missing[0] == channel]:
            del self._misses[missing]

    def wants(self, channel: str, symbol: str) -> bool:
        """Whether this channel of a symbol is wanted now."""
        return (channel, symbol) in self.wanted

    def has_all(self, symbol: str) -> bool:
        """Whether every data channel wanted of a symbol is acknowledged."""
        return symbol in self._complete

    def has_given_up(self, symbol: str) -> bool:
        """Whether some wanted data of a symbol was refused on this connection."""
        return self.has_refused(symbol, self._symbols.get(symbol, ()))

    def has_refused(self, symbol: str, channels: Iterable[str]) -> bool:
        """Whether one of these channels of a symbol was refused on this connection."""
        return bool(self._given_up) and any((channel, symbol) in self._given_up for channel in channels)

    @property
    def has_refused_any(self) -> bool:
        """Whether some wanted symbol was refused on this connection."""
        return bool(self._refused)

    def count_data(self) -> int:
        """(symbol, channel) pairs that count towards the upstream's limit."""
        return sum(channel not in SIDE_CHANNELS for channel, _ in self.acknowledged)

    def count_acknowledged(self) -> int:
        """(symbol, channel) pairs that are wanted and acknowledged."""
        return sum(entry in self.acknowledged for entry in self.wanted)

    def count_symbols(self) -> int:
        """Wanted symbols with every data channel acknowledged."""
        return len(self._complete)

    def has_pending(self) -> bool:
        """Whether some wanted data is neither acknowledged nor given up."""
        return bool(self._missing[DATA])

    def has_all_statuses(self) -> bool:
        """Whether a halt of any wanted symbol would be reported to us."""
        return not self._without_status

    def next_ns(self) -> int | None:
        """When `wake` or a timeout is due: an overdue answer, or a missing entry to be requested again."""
        if self.open_request is not None:
            return self.open_request.deadline_ns
        return min((at_ns for _, at_ns in self._misses.values()), default=None)

    def wake(self, now_ns: int) -> None:
        """Check whether a missing entry is due to be requested again."""
        if any(at_ns <= now_ns for _, at_ns in self._misses.values()):
            self._dirty = True

    def _differences(self, now_ns: int) -> Iterable[tuple[str, Iterable[Entry]]]:
        yield "unsubscribe", sorted(entry for entry in self._extra if self._due(entry, now_ns))
        for channel, missing in self._missing.items():
            if channel not in self._without:
                yield "subscribe", (entry for entry in missing if self._due(entry, now_ns))

    def _due(self, entry: Entry, now_ns: int) -> bool:
        miss = self._misses.get(entry)
        return miss is None or miss[1] <= now_ns

    def _is_wanted(self, entry: Entry) -> bool:
        if entry[1] in self._refused:
            return False
        return entry[1] in self._symbols if entry[0] in SIDE_CHANNELS else entry in self.wanted

    def _is_done(self, entry: Entry) -> bool:
        return (entry in self.acknowledged) == self._is_wanted(entry)

    def _refile_all(self) -> None:
        """Rebuild what is missing and what is too much, in the order of what is wanted."""
        known = {symbol for _, symbol in self.acknowledged}
        for entries in self._missing.values():
            entries.clear()
        for kept in (self._extra, self._complete, self._without_status):
            kept.clear()
        for symbol in self._symbols:
            self._refile(symbol)
        for symbol in known - self._symbols.keys():
            self._refile(symbol)
        self._dirty = True

    def _refile(self, symbol: str) -> None:
        """Update what is missing and what is too much of one symbol."""
        acknowledged, given_up = self.acknowledged, self._given_up
        channels = self._symbols.get(symbol)
        if symbol in self._refused:
            channels = None
        for channel in CHANNELS:
            entry = (channel, symbol)
            side = channel in SIDE_CHANNELS
            wanted, had = channels is not None and (side or entry in self.wanted), entry in acknowledged
            missing = self._missing[channel if side else DATA]
            if wanted and not had and entry not in given_up:
                missing.setdefault(entry)
            else:
                missing.pop(entry, None)
            if had and not wanted and entry not in given_up:
                self._extra.add(entry)
            else:
                self._extra.discard(entry)
        if channels and all((channel, symbol) in acknowledged for channel in channels):
            self._complete.add(symbol)
        else:
            self._complete.discard(symbol)
        if channels and (STATUSES, symbol) not in acknowledged:
            self._without_status.add(symbol)
        else:
            self._without_status.discard(symbol)

    def _forget(self, entry: Entry) -> None:
        self._misses.pop(entry, None)
        self._given_up.discard(entry)

    def _retry_undone(self, asked: UpstreamRequest, now_ns: int, outcome: SubscriptionChange) -> None:
        """Entries the answer should have changed and did not: requested again at growing intervals, then given up."""
        subscribing = asked.action == "subscribe"
        for entry in asked.entries:
            if self._is_done(entry) or self._is_wanted(entry) != subscribing:
                continue
            tries, _ = self._misses.get(entry, (0, 0))
            if tries < len(ASK_AGAIN_NS):
                self._misses[entry] = (tries + 1, now_ns + ASK_AGAIN_NS[tries])
                continue
            del self._misses[entry]
            self._give_up(entry, Cause.NOT_IN_ACK, outcome)

    def _give_up(self, entry: Entry, cause: Cause, outcome: SubscriptionChange) -> None:
        """Stop requesting an entry. If it is wanted data, the symbol is refused as a whole."""
        channel, symbol = entry
        wanted = self._is_wanted(entry)
        self._given_up.add(entry)
        if wanted and channel in self._symbols[symbol]:
            self._refused.add(symbol)
            outcome.refused.append((symbol, cause))
            for missing in [missing for missing in self._misses if missing[1] == symbol]:
                del self._misses[missing]
        self._refile(symbol)
