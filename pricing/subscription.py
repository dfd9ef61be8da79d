"""Wanted against acknowledged subscriptions: one request to the upstream at a time, reconciled by each answer. Pure.

Alpaca answers every subscribe and unsubscribe with the entire subscribed set and no reference to the request, so only
one may be open. A wanted symbol missing from the answer is requested again after 1, 2 and 4 s, then given up; a symbol
in the answer that is not wanted is unsubscribed. A refused request is halved until the bad entry is alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Cause
from quotebus.pricing.messages import Subscription
from quotebus.pricing.subscription_set import ALL, LULDS, SIDE_CHANNELS, STATUSES, Entry, SubscriptionSet

MAX_ENTRIES = 4_000
MAX_BYTES = 30_000
"""Of the symbols in one request: Alpaca's own SDK sends no WebSocket frame over 32 KiB, so no longer one is tried."""
_BYTES_BESIDE = 3
"""Quotation marks and a comma in JSON; MessagePack takes one or two."""
ACK_TIMEOUT_NS = 5 * NS_PER_S
ALL_STATUSES_AGAIN_NS = 86_400 * NS_PER_S
"""A venue that refuses statuses of all symbols at once is asked for each symbol's for a day."""
ASK_AGAIN_NS = (NS_PER_S, 2 * NS_PER_S, 4 * NS_PER_S)


@dataclass(slots=True)
class UpstreamRequest:
    """The one open request to the upstream: subscribe or unsubscribe."""

    action: str
    entries: list[Entry]
    deadline_ns: int

    def message(self) -> dict[str, Any]:
        """The message to send: the action, and the symbols of each channel."""
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
    """Brings the subscriptions of one connection in line with what is wanted; `reset` for the next connection.

    `subscriptions` is what is wanted and acknowledged. A symbol that is refused on one channel is requested on none, as
    long as that channel is wanted.
    """

    def __init__(self) -> None:
        self.subscriptions = SubscriptionSet()
        self.open_request: UpstreamRequest | None = None
        self._misses: dict[Entry, tuple[int, int]] = {}
        self._without: set[str] = set()
        self._batch = MAX_ENTRIES
        self._dirty = True
        self._refused_all_ns: int | None = None

    def reset(self, now_ns: int = 0) -> None:
        """A new connection: nothing is acknowledged, refused or open."""
        if self._refused_all_ns is not None and now_ns - self._refused_all_ns >= ALL_STATUSES_AGAIN_NS:
            self._refused_all_ns = None
            self.subscriptions.want_all_statuses(True)
        self.subscriptions.reset()
        self.open_request = None
        self._without.clear()
        self._misses.clear()
        self._batch = MAX_ENTRIES
        self._dirty = True

    def want(self, symbols: dict[str, tuple[str, ...]], beside: Iterable[Entry] = ()) -> None:
        """Replace what is wanted: symbol to data channels, most important first.

        `beside` are further entries of these symbols that can be done without.
        """
        changed = self.subscriptions.replace(symbols, beside)
        self._forget([entry for entry in self._misses if entry[1] not in symbols or entry in changed])
        self._dirty = True

    def want_symbol(self, symbol: str, channels: tuple[str, ...]) -> None:
        """Replace what is wanted of one symbol, () for nothing. A new symbol is requested after those before it."""
        self._forget(self.subscriptions.replace_symbol(symbol, channels))
        self._dirty = True

    def next_request(self, now_ns: int) -> UpstreamRequest | None:
        """The next request to send; None when the sets agree or an answer is awaited."""
        if self.open_request is not None or not self._dirty:
            return None
        self._dirty = False
        for action, entries in self._differences(now_ns):
            batch = _take(entries, self._batch)
            if batch:
                self._dirty = True
                self.open_request = UpstreamRequest(action, batch, now_ns + ACK_TIMEOUT_NS)
                return self.open_request
        return None

    def on_answer(self, answer: Subscription, now_ns: int) -> SubscriptionChange:
        """Take the upstream's answer, which is its entire set."""
        outcome = SubscriptionChange()
        outcome.acknowledged = self.subscriptions.acknowledge(
            {"quotes": answer.quotes, "trades": answer.trades, STATUSES: answer.statuses, LULDS: answer.lulds}
        )
        asked, self.open_request = self.open_request, None
        if asked is not None:
            self._batch = min(self._batch * 2, MAX_ENTRIES)
            self._retry_undone(asked, now_ns, outcome)
        if self._misses:
            self._forget([entry for entry in self._misses if self.subscriptions.is_settled(entry)])
        self._dirty = True
        return outcome

    def on_error(self, cause: Cause, now_ns: int = 0) -> SubscriptionChange:
        """The open request was refused; the upstream's set is unchanged."""
        outcome = SubscriptionChange()
        asked, self.open_request = self.open_request, None
        self._dirty = True
        if asked is None:
            return outcome
        entry, subscribing = asked.entries[0], asked.action == "subscribe"
        if subscribing and entry == (STATUSES, ALL):
            self._ask_for_each(now_ns)
            return outcome
        # Bands cannot fail because of a symbol: a bad symbol was refused with its data already.
        if subscribing and (entry[0] == LULDS or (entry[0] == STATUSES and cause is not Cause.BAD_SYMBOL)):
            self._do_without(entry[0])
        elif len(asked.entries) > 1:
            self._batch = max(1, len(asked.entries) // 2)
        elif self.subscriptions.is_wanted(entry) != subscribing:
            return outcome  # demand has changed since
        elif subscribing and cause is Cause.SYMBOL_LIMIT:
            requestable = sum(map(self.subscriptions.is_wanted, self.subscriptions.wanted))
            outcome.learned_limit = min(self.subscriptions.count_data(), requestable - 1)
        else:
            self._misses.pop(entry, None)
            self._give_up(entry, cause, outcome)
        return outcome

    def _ask_for_each(self, now_ns: int) -> None:
        """The venue does not give the statuses of all symbols at once."""
        self._refused_all_ns = now_ns
        self._misses.pop((STATUSES, ALL), None)
        self.subscriptions.want_all_statuses(False)

    def drop_overdue_side_request(self, now_ns: int = 0) -> bool:
        """The open request timed out. True when it was for a side channel, which is then done without."""
        asked = self.open_request
        if asked is None or asked.action != "subscribe" or asked.entries[0][0] not in SIDE_CHANNELS:
            return False
        self.open_request = None
        if asked.entries[0] == (STATUSES, ALL):
            self._ask_for_each(now_ns)
        else:
            self._do_without(asked.entries[0][0])
        self._dirty = True
        return True

    def _do_without(self, channel: str) -> None:
        self._without.add(channel)
        self._forget([entry for entry in self._misses if entry[0] == channel])

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
        yield "unsubscribe", sorted(entry for entry in self.subscriptions.extra if self._due(entry, now_ns))
        for channel, missing in self.subscriptions.missing.items():
            if channel not in self._without:
                yield "subscribe", (entry for entry in missing if self._due(entry, now_ns))

    def _due(self, entry: Entry, now_ns: int) -> bool:
        miss = self._misses.get(entry)
        return miss is None or miss[1] <= now_ns

    def _forget(self, entries: Iterable[Entry]) -> None:
        """Forget how often these entries were missing."""
        for entry in entries:
            self._misses.pop(entry, None)

    def _retry_undone(self, asked: UpstreamRequest, now_ns: int, outcome: SubscriptionChange) -> None:
        """Entries the answer should have changed and did not: requested again at growing intervals, then given up."""
        subscribing = asked.action == "subscribe"
        for entry in asked.entries:
            if self.subscriptions.is_settled(entry) or self.subscriptions.is_wanted(entry) != subscribing:
                continue
            tries, _ = self._misses.get(entry, (0, 0))
            if tries < len(ASK_AGAIN_NS):
                self._misses[entry] = (tries + 1, now_ns + ASK_AGAIN_NS[tries])
                continue
            del self._misses[entry]
            if entry == (STATUSES, ALL):
                self._ask_for_each(now_ns)
            else:
                self._give_up(entry, Cause.NOT_IN_ACK, outcome)

    def _give_up(self, entry: Entry, cause: Cause, outcome: SubscriptionChange) -> None:
        """Stop requesting an entry. If it is wanted data, the symbol is refused as a whole."""
        if self.subscriptions.give_up(entry):
            outcome.refused.append((entry[1], cause))
            self._forget([missing for missing in self._misses if missing[1] == entry[1]])


def _take(entries: Iterable[Entry], most: int) -> list[Entry]:
    """The first entries, as many as one request may hold."""
    taken: list[Entry] = []
    left_bytes = MAX_BYTES
    for entry in entries:
        left_bytes -= len(entry[1]) + _BYTES_BESIDE
        if len(taken) == most or left_bytes < 0:
            break
        taken.append(entry)
    return taken
