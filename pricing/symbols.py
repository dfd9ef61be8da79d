"""The state of each wanted symbol: a table of allowed moves and one method that makes them. Pure.

Only what concerns the symbol itself is a state here. Trouble with the connection is in the connection's health, and
consumers combine the two.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.errors import IllegalTransition
from quotebus.bus.events import AssetFacts, Cause, SymbolState
from quotebus.bus.protocol import MAX_STATUSES_PER_S
from quotebus.pricing.halts import UNKNOWN, Belief

log = logging.getLogger(__name__)
State = SymbolState

_GOING = {State.RELEASED, State.EVICTED, State.REFUSED}
MOVES: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.PENDING, State.LIVE, State.HALTED, State.STALE, *_GOING}),
    State.LIVE: frozenset({State.PENDING, State.QUIET, State.HALTED, State.STALE, *_GOING}),
    State.QUIET: frozenset({State.PENDING, State.LIVE, State.HALTED, State.STALE, *_GOING}),
    State.STALE: frozenset({State.PENDING, State.LIVE, State.HALTED, *_GOING}),
    State.HALTED: frozenset({State.PENDING, State.LIVE, State.HALTED, *_GOING}),
    State.EVICTED: frozenset({State.PENDING, State.RELEASED}),
    State.REFUSED: frozenset({State.PENDING, State.HALTED, State.REFUSED, State.EVICTED, State.RELEASED}),
    State.RELEASED: frozenset(),
}
ROTATION_NS = 9 * NS_PER_S
"""Every status is sent again within 10 s; one second of that is slack."""
HALTED_LEAVE_PER_S = 500
"""What halted symbols leave of `MAX_STATUSES_PER_S` to the others, if those need it."""
PROMPT_PER_S = 100
"""News that can wait, that one pending symbol waits for something else, is told at once so often; more waits for its
place at the head of the rotation."""


@dataclass(slots=True)
class SymbolEntry:
    """One symbol's state, entered at `since_ns`, what is known of its halt, and what the venue's list says of it."""

    symbol: str
    state: State
    cause: Cause
    since_ns: int
    belief: Belief = UNKNOWN
    asset: AssetFacts | None = None


class SymbolTable:
    """All wanted symbols. `changed` is called with each symbol that moved, to publish its status.

    `followed`: released symbols whose grace is not over. They are told as `released` and followed without a word:
    wanted again, each is what it has become meanwhile.
    """

    def __init__(self, changed: Callable[[SymbolEntry], None]) -> None:
        self.entries: OrderedDict[str, SymbolEntry] = OrderedDict()  # least recently sent first
        self.followed: dict[str, SymbolEntry] = {}
        self._changed = changed
        self._counts: Counter[State] = Counter()
        self._prompt_since_ns = 0
        self._prompt_count = 0
        self._credit = 0.0
        self._rotated_ns: int | None = None
        self._halted_ns = 0
        self._halted_count = 0

    def add(self, symbol: str, now_ns: int) -> None:
        """A symbol is wanted. The acknowledgement of the request reports it, so no status is needed; one that comes
        back within its grace is told, since everybody has heard that it was released.
        """
        if symbol in self.entries:
            return
        followed = self.followed.pop(symbol, None)
        self.entries[symbol] = entry = followed or SymbolEntry(symbol, State.PENDING, Cause.DEMAND, now_ns)
        self._counts[entry.state] += 1
        if followed is not None:
            log.debug("%s: released -> %s (%s)", symbol, entry.state, entry.cause)
            self._send(entry)

    def forget(self, symbol: str) -> None:
        """The grace of a released symbol is over."""
        self.followed.pop(symbol, None)

    def move(self, symbol: str, state: State, cause: Cause, now_ns: int, *, follow: bool = False) -> bool:
        """The one way to change a state; publishes it. False when nothing changes or the symbol is not known.

        What a symbol waits for changes nothing for anybody: with many symbols at once it is told in rotation.
        `follow`: a symbol that is released now has a grace, until `forget`.
        Raises IllegalTransition for a move that the table does not have.
        """
        wanted = symbol in self.entries
        entry = self.entries.get(symbol) if wanted else self.followed.get(symbol)
        if entry is None or (entry.state, entry.cause) == (state, cause):
            return False
        if state not in MOVES[entry.state]:
            raise IllegalTransition(f"symbol {symbol}", entry.state, state, cause)
        log.debug("%s: %s -> %s (%s)", symbol, entry.state, state, cause)
        waits = state is entry.state is State.PENDING
        if state is State.RELEASED and follow:
            self.followed[symbol] = SymbolEntry(symbol, entry.state, entry.cause, entry.since_ns, entry.belief)
        if state is not entry.state:
            entry.since_ns = now_ns
            self._counts[entry.state] -= wanted
            self._counts[state] += wanted and state is not State.RELEASED
        entry.state, entry.cause = state, cause
        if not wanted:
            return True
        if state is State.RELEASED:
            del self.entries[symbol]
            self._changed(entry)
        elif waits and not self._is_prompt(now_ns):
            self.entries.move_to_end(symbol, last=False)
        else:
            self._send(entry)
        return True

    def _is_prompt(self, now_ns: int) -> bool:
        if now_ns - self._prompt_since_ns >= NS_PER_S:
            self._prompt_since_ns, self._prompt_count = now_ns, 0
        self._prompt_count += 1
        return self._prompt_count <= PROMPT_PER_S

    def set_belief(self, symbol: str, belief: Belief) -> bool:
        """Note what is known of a symbol's halt, without publishing it. True when that is another than before."""
        entry = self.entries.get(symbol) or self.followed[symbol]
        is_news = entry.belief != belief
        entry.belief = belief
        return is_news

    def publish(self, symbol: str) -> None:
        """Publish a symbol's status though its state has not changed; not that of a released one."""
        if symbol in self.entries:
            self._changed(self.entries[symbol])

    def clear(self) -> None:
        """Forget all symbols without publishing: another node reports on them now."""
        self.entries.clear()
        self.followed.clear()
        self._counts.clear()

    def state(self, symbol: str) -> State | None:
        """A symbol's state; None when it is not wanted and no grace keeps it."""
        entry = self.entries.get(symbol) or self.followed.get(symbol)
        return entry.state if entry else None

    def has_evicted(self) -> bool:
        return self._counts[State.EVICTED] > 0

    def count_live(self) -> int:
        """Symbols with a quote on this connection that are not halted."""
        return self._counts[State.LIVE] + self._counts[State.QUIET]

    def rotate(self, now_ns: int) -> None:
        """Send statuses again, as many as are due since the last call: a lost one is repaired within 10 s."""
        count = len(self.entries)
        if now_ns - self._halted_ns >= NS_PER_S:
            self._halted_ns = now_ns
            halted = [entry for entry in self.entries.values() if entry.state is State.HALTED]
            others = min(HALTED_LEAVE_PER_S, -(-(count - len(halted)) * NS_PER_S // ROTATION_NS))
            del halted[MAX_STATUSES_PER_S - others :]
            for entry in halted:
                self._send(entry)
            self._halted_count = len(halted)
        elapsed_ns = now_ns - self._rotated_ns if self._rotated_ns is not None else 0
        self._rotated_ns = now_ns
        per_s = min(count * NS_PER_S / ROTATION_NS, float(MAX_STATUSES_PER_S - self._halted_count))
        self._credit = min(self._credit + per_s * elapsed_ns / NS_PER_S, float(count), per_s + 1)
        while self._credit >= 1:
            self._credit -= 1
            self._send(next(iter(self.entries.values())))

    def _send(self, entry: SymbolEntry) -> None:
        self.entries.move_to_end(entry.symbol)
        self._changed(entry)
