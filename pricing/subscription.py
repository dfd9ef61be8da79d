"""What the upstream should send us against what it says it does: one question at a time, reconciled by each answer.

Alpaca answers every subscribe and unsubscribe with the entire set and no reference to the question, so only one may be
open. A wanted symbol that the answer lacks is asked again after 1, 2 and 4 s, then given up; one that the answer has
too many is unsubscribed. A refused question is cut in half until the one entry at fault is alone. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from bus.clock import NS_PER_S
from bus.events import Cause
from pricing.messages import Subscription as Answer

DATA_CHANNELS = ("quotes", "trades")
STATUSES = "statuses"
LULDS = "lulds"
SIDE_CHANNELS = (STATUSES, LULDS)
"""What comes along with every symbol, asked for after the data and done without where the feed has it not."""
MAX_ENTRIES = 1_000
ACK_TIMEOUT_NS = 5 * NS_PER_S
ASK_AGAIN_NS = (NS_PER_S, 2 * NS_PER_S, 4 * NS_PER_S)

Entry = tuple[str, str]
"""(channel, symbol)"""


@dataclass(slots=True)
class Question:
    """The one open request to the upstream."""

    action: str
    entries: list[Entry]
    deadline_ns: int

    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = {"action": self.action}
        for channel, symbol in self.entries:
            message.setdefault(channel, []).append(symbol)
        return message


@dataclass(slots=True)
class Outcome:
    """What an answer changed. `learned_limit`: how many (symbol, channel) pairs the upstream will give us."""

    acknowledged: list[str] = field(default_factory=list)
    refused: list[tuple[str, Cause]] = field(default_factory=list)
    learned_limit: int | None = None


class Reconciler:
    """Wanted and acknowledged entries of one connection; `reset` for the next."""

    def __init__(self) -> None:
        self.wanted: dict[Entry, None] = {}
        self.acknowledged: set[Entry] = set()
        self.question: Question | None = None
        self._symbols: dict[str, tuple[str, ...]] = {}
        self._misses: dict[Entry, tuple[int, int]] = {}
        self._given_up: set[Entry] = set()
        self._refused: set[str] = set()
        self._without: set[str] = set()
        self._batch = MAX_ENTRIES
        self._dirty = True

    def reset(self) -> None:
        """A new connection knows nothing."""
        self.acknowledged = set()
        self.question = None
        self._without.clear()
        self._misses.clear()
        self._given_up.clear()
        self._refused.clear()
        self._batch = MAX_ENTRIES
        self._dirty = True

    def want(self, symbols: dict[str, tuple[str, ...]], beside: Iterable[Entry] = ()) -> None:
        """Replace what is wanted: symbol to data channels, most important first.

        `beside` are further entries of these symbols that can be done without. A symbol that was refused for one
        channel is asked for none, as long as that channel is wanted.
        """
        self._symbols = symbols
        former = self.wanted
        self.wanted = {(channel, symbol): None for symbol, channels in symbols.items() for channel in channels}
        self.wanted.update(dict.fromkeys(beside))
        for entry in [*self._misses, *self._given_up]:
            if entry[1] not in symbols or (entry in former) != (entry in self.wanted):
                self._misses.pop(entry, None)
                self._given_up.discard(entry)
        self._refused = {symbol for _, symbol in self._given_up if self.gave_up(symbol)}
        self._dirty = True

    def next_question(self, now_ns: int) -> Question | None:
        """The next thing to say, at most one at a time; None when the sets agree or an answer is awaited."""
        if self.question is not None or not self._dirty:
            return None
        self._dirty = False
        for action, entries in self._differences(now_ns):
            batch = list(islice(entries, self._batch))
            if batch:
                self._dirty = True
                self.question = Question(action, batch, now_ns + ACK_TIMEOUT_NS)
                return self.question
        return None

    def on_answer(self, answer: Answer, now_ns: int) -> Outcome:
        """Take the upstream's entire set."""
        outcome = Outcome()
        channels = (
            *(("quotes", answer.quotes), ("trades", answer.trades)),
            *((STATUSES, answer.statuses), (LULDS, answer.lulds)),
        )
        new = {(channel, symbol) for channel, symbols in channels for symbol in symbols}
        added = {symbol for _, symbol in new - self.acknowledged}
        self.acknowledged = new
        outcome.acknowledged = [symbol for symbol in added if self.has_all(symbol)]
        asked, self.question = self.question, None
        if asked is not None:
            self._batch = min(self._batch * 2, MAX_ENTRIES)
            self._note_undone(asked, now_ns, outcome)
        for entry in [entry for entry in self._misses if self._is_done(entry)]:
            del self._misses[entry]
        self._dirty = True
        return outcome

    def on_error(self, cause: Cause) -> Outcome:
        """The open question was refused and the upstream's set is unchanged."""
        outcome = Outcome()
        asked, self.question = self.question, None
        self._dirty = True
        if asked is None:
            return outcome
        entry, subscribing = asked.entries[0], asked.action == "subscribe"
        # No symbol can be at fault over bands: what the feed does not take it refused with the data already.
        if subscribing and (entry[0] == LULDS or (entry[0] == STATUSES and cause is not Cause.BAD_SYMBOL)):
            self._without.add(entry[0])
            for missing in [missing for missing in self._misses if missing[0] == entry[0]]:
                del self._misses[missing]
        elif len(asked.entries) > 1:
            self._batch = max(1, len(asked.entries) // 2)
        elif self._is_wanted(entry) != subscribing:
            return outcome  # the wish has changed since
        elif subscribing and cause is Cause.SYMBOL_LIMIT:
            askable = sum(self._is_wanted(entry) for entry in self.wanted)
            outcome.learned_limit = min(self.data_count(), askable - 1)
        else:
            self._misses.pop(entry, None)
            self._give_up(entry, cause, outcome)
        return outcome

    def wants(self, channel: str, symbol: str) -> bool:
        """Whether this channel of a symbol is wanted at present."""
        return (channel, symbol) in self.wanted

    def has_all(self, symbol: str) -> bool:
        """Whether every data channel wanted of a symbol is acknowledged."""
        channels = self._symbols.get(symbol)
        return channels is not None and all((channel, symbol) in self.acknowledged for channel in channels)

    def gave_up(self, symbol: str) -> bool:
        """Whether some wanted data of a symbol was refused on this connection."""
        return self.refuses(symbol, self._symbols.get(symbol, ()))

    def refuses(self, symbol: str, channels: Iterable[str]) -> bool:
        """Whether one of these channels of a symbol was refused on this connection."""
        return any((channel, symbol) in self._given_up for channel in channels)

    def data_count(self) -> int:
        """(symbol, channel) pairs that count towards the upstream's limit."""
        return sum(channel not in SIDE_CHANNELS for channel, _ in self.acknowledged)

    def had_count(self) -> int:
        """(symbol, channel) pairs that are wanted and acknowledged."""
        return sum(entry in self.acknowledged for entry in self.wanted)

    def symbol_count(self) -> int:
        """Wanted symbols that the upstream sends."""
        return sum(map(self.has_all, self._symbols))

    def pending(self) -> bool:
        """Whether some wanted data is neither acknowledged nor given up."""
        return any(self._is_wanted(e) and e not in self.acknowledged and e not in self._given_up for e in self.wanted)

    def statuses_complete(self) -> bool:
        """Whether a halt of any symbol that is sent would be heard of."""
        return all((STATUSES, symbol) in self.acknowledged for symbol in self._symbols if symbol not in self._refused)

    def next_ns(self) -> int | None:
        """When something must be looked at: an answer overdue, or a missing entry asked for again."""
        if self.question is not None:
            return self.question.deadline_ns
        return min((at_ns for _, at_ns in self._misses.values()), default=None)

    def wake(self, now_ns: int) -> None:
        """Look again: the time of a missing entry may have come."""
        if any(at_ns <= now_ns for _, at_ns in self._misses.values()):
            self._dirty = True

    def _differences(self, now_ns: int) -> Iterable[tuple[str, Iterable[Entry]]]:
        acknowledged = self.acknowledged
        extra = (entry for entry in acknowledged if not self._is_wanted(entry) and self._due(entry, now_ns))
        yield "unsubscribe", sorted(extra)
        yield "subscribe", (entry for entry in self.wanted if self._askable(entry, now_ns))
        for channel in SIDE_CHANNELS:
            if channel not in self._without:
                side = ((channel, symbol) for symbol in self._symbols)
                yield "subscribe", (entry for entry in side if self._askable(entry, now_ns))

    def _askable(self, entry: Entry, now_ns: int) -> bool:
        return entry not in self.acknowledged and entry[1] not in self._refused and self._due(entry, now_ns)

    def _due(self, entry: Entry, now_ns: int) -> bool:
        miss = self._misses.get(entry)
        return entry not in self._given_up and (miss is None or miss[1] <= now_ns)

    def _is_wanted(self, entry: Entry) -> bool:
        if entry[1] in self._refused:
            return False
        return entry[1] in self._symbols if entry[0] in SIDE_CHANNELS else entry in self.wanted

    def _is_done(self, entry: Entry) -> bool:
        return (entry in self.acknowledged) == self._is_wanted(entry)

    def _note_undone(self, asked: Question, now_ns: int, outcome: Outcome) -> None:
        """What the answer should have changed and has not is asked again, more and more slowly, then given up."""
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

    def _give_up(self, entry: Entry, cause: Cause, outcome: Outcome) -> None:
        """Ask no more; a symbol whose wished data cannot be had is refused as a whole."""
        channel, symbol = entry
        self._given_up.add(entry)
        if self._is_wanted(entry) and channel in self._symbols[symbol]:
            self._refused.add(symbol)
            outcome.refused.append((symbol, cause))
            for missing in [missing for missing in self._misses if missing[1] == symbol]:
                del self._misses[missing]
