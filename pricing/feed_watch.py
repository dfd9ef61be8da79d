"""What follows from a long silence: ask the venue, and redial only when its answer proves the feed mute. Pure.

    ticking ── long, or suspicious ──▶ asking ── nothing newer, no answer ──▶ waiting ── time is up ──▶ asking
                                ╰── something newer ──▶ newer ── no tick in 2 s ──▶ proven
    any ── a tick, a new connection ──▶ ticking

A quote that the venue shows may be on its way to us still: only if it has not come 2 s later is the feed mute. `proven`
makes the connection suspect; it is redialled at once, but for this cause at most once in 5 minutes, later once an hour.
Exchange times are compared with exchange times only. Where ticks come in bursts the venue is asked before a silence is
suspicious, and nobody is told: that costs one request, and finds a mute feed just as soon as where they do not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from enum import StrEnum

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.errors import IllegalTransition
from quotebus.bus.events import Cause, MarketSession, SymbolState
from quotebus.pricing.mute import FLOOR_NS, Silence, SilenceWatch
from quotebus.pricing.shared_state import SharedState
from quotebus.pricing.symbols import SymbolTable

log = logging.getLogger(__name__)
SILENT = "silent"
"""The detail of a connection that is suspiciously silent."""
NEWER_NS = 2 * NS_PER_S
"""The venue's quote must be so much newer than ours, by the exchange's time."""
GRACE_NS = 2 * NS_PER_S
JUDGE_EVERY_NS = NS_PER_S // 4
ANSWER_NS = 6 * NS_PER_S
FIRST_WAIT_NS = 5 * NS_PER_S
LONGEST_WAIT_NS = 60 * NS_PER_S
MOST_ASKED = 20
"""Symbols in one question: those that tick most."""
FIRST_REDIAL_NS = 300 * NS_PER_S
LONGEST_REDIAL_NS = 3_600 * NS_PER_S
_TICKING = frozenset({SymbolState.LIVE, SymbolState.QUIET, SymbolState.STALE, SymbolState.PENDING})


class FeedState(StrEnum):
    """Where the watch stands."""

    TICKING = "ticking"
    ASKING = "asking"
    WAITING = "waiting"
    NEWER = "newer"
    PROVEN = "proven"


MOVES: dict[FeedState, frozenset[FeedState]] = {
    FeedState.TICKING: frozenset({FeedState.ASKING}),
    FeedState.ASKING: frozenset({FeedState.WAITING, FeedState.NEWER, FeedState.TICKING}),
    FeedState.WAITING: frozenset({FeedState.ASKING, FeedState.TICKING}),
    FeedState.NEWER: frozenset({FeedState.PROVEN, FeedState.TICKING}),
    FeedState.PROVEN: frozenset({FeedState.TICKING}),
}


class RedialPace:
    """At most one redial in 5 minutes, twice as long after each that did not help for long, up to an hour."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._wait_ns = FIRST_REDIAL_NS

    def may_redial(self, now_ns: int) -> bool:
        return self._last_ns is None or now_ns - self._last_ns >= self._wait_ns

    def note(self, now_ns: int) -> None:
        """The connection is redialled now."""
        if self._last_ns is not None:
            helped = now_ns - self._last_ns >= 2 * self._wait_ns
            self._wait_ns = FIRST_REDIAL_NS if helped else min(2 * self._wait_ns, LONGEST_REDIAL_NS)
        self._last_ns = now_ns


class FeedWatch:
    """Watches the connection that streams. `ask` takes the symbols and the number of a question to the venue.

    `suspicions` and `proofs` count since the start.
    """

    def __init__(self, shared: SharedState, symbols: SymbolTable, ask: Callable[[tuple[str, ...], int], None]) -> None:
        self.state = FeedState.TICKING
        self.pace = RedialPace()
        self.suspicions = self.proofs = 0
        self._silence = SilenceWatch(shared.slots)
        self._shared = shared
        self._symbols = symbols
        self._ask = ask
        self._is_suspicious = False
        self._number = 0
        self._due_ns = 0
        self._wait_ns = FIRST_WAIT_NS
        self._judged_ns = 0

    @property
    def is_silent(self) -> bool:
        """Suspiciously silent, or proven mute."""
        return self._is_suspicious or self.is_mute

    @property
    def is_mute(self) -> bool:
        return self.state is FeedState.PROVEN

    @property
    def last_quote_ns(self) -> int | None:
        """When the last quote was received: what is missed since then is the gap. None when there was none."""
        return max((slot.received_ns for slot in self._shared.slots.values()), default=0) or None

    # what happens

    def begin(self, now_ns: int) -> None:
        """A connection streams from now on."""
        self._silence.begin(self._shared.count_data(), now_ns)
        self._move(FeedState.TICKING, "a new connection")
        self._wait_ns = FIRST_WAIT_NS

    def end(self) -> None:
        """No connection streams."""
        self._silence.end()
        self._move(FeedState.TICKING, "no connection")

    def on_venue(self, number: int, newest_ns: Mapping[str, int] | None, now_ns: int) -> None:
        """The venue's answer: the exchange time of the newest quote of each symbol; None when there was no answer."""
        if self.state is not FeedState.ASKING or number != self._number:
            return
        if newest_ns is None:
            self._wait(now_ns, "no answer")
            return
        slots = self._shared.slots
        newer = [
            symbol
            for symbol, exchange_ns in newest_ns.items()
            if (slot := slots.get(symbol)) is not None and slot.exchange_ns
            and exchange_ns - slot.exchange_ns >= NEWER_NS
        ]  # fmt: skip
        if newer:
            self._due_ns = now_ns + GRACE_NS
            self._move(FeedState.NEWER, f"the venue has newer quotes of {len(newer)} symbols")
        else:
            self._silence.confirm(now_ns)
            self._wait(now_ns, "the venue has nothing newer")

    def on_time(self, now_ns: int, session: MarketSession = MarketSession.UNKNOWN) -> None:
        """Let time pass while the connection streams, or is suspect because the feed is mute."""
        self._silence.enter(session, now_ns)
        if self._silence.look(self._shared.count_data(), now_ns):
            self._move(FeedState.TICKING, "a tick")
            self._wait_ns = FIRST_WAIT_NS
        if self.state in (FeedState.TICKING, FeedState.WAITING) and not self._is_suspicious:
            self._judge(now_ns)
        if self.state is not FeedState.TICKING and now_ns >= self._due_ns:
            self._on_due(now_ns)

    # inside

    def _judge(self, now_ns: int) -> None:
        """Ask when the silence has become suspicious, or for the first time long."""
        silent_ns = self._silence.silence_ns(now_ns)
        if silent_ns <= FLOOR_NS or now_ns - self._judged_ns < max(JUDGE_EVERY_NS, silent_ns // 32):
            return
        self._judged_ns = now_ns
        countable = self._list_countable()
        judged = self._silence.judge(countable, now_ns)
        if judged is Silence.SUSPICIOUS:
            self.suspicions += 1
            self._is_suspicious = True
        elif judged is Silence.ORDINARY or self.state is FeedState.WAITING:
            return
        self._question(countable, now_ns, f"silent for {silent_ns / NS_PER_S:.1f} s")

    def _on_due(self, now_ns: int) -> None:
        if self.state is FeedState.WAITING:
            self._ask_again(now_ns)
        elif self.state is FeedState.ASKING:
            self._wait(now_ns, "no answer in time")
        elif self.state is FeedState.NEWER:
            self.proofs += 1
            self._move(FeedState.PROVEN, "what the venue has did not come")

    def _ask_again(self, now_ns: int) -> None:
        countable = self._list_countable()
        if self._silence.judge(countable, now_ns) is not Silence.ORDINARY:
            self._question(countable, now_ns, "asked again")
        else:  # by now they are halted, or nobody wants them
            self._due_ns = now_ns + self._wait_ns

    def _list_countable(self) -> list[str]:
        """The symbols that may tick: not halted, and not just resumed, since a resume may come long before a quote."""
        return [
            symbol
            for symbol, entry in self._symbols.entries.items()
            if entry.state in _TICKING and entry.cause is not Cause.RESUME
        ]

    def _question(self, countable: list[str], now_ns: int, why: str) -> None:
        self._number += 1
        self._due_ns = now_ns + ANSWER_NS
        self._move(FeedState.ASKING, why)
        self._ask(tuple(self._silence.rates.busiest(countable, MOST_ASKED)), self._number)

    def _wait(self, now_ns: int, why: str) -> None:
        self._due_ns = now_ns + self._wait_ns
        self._wait_ns = min(2 * self._wait_ns, LONGEST_WAIT_NS)
        self._move(FeedState.WAITING, why)

    def _move(self, target: FeedState, why: str) -> None:
        """The one way to change the state."""
        if target is self.state:
            return
        if target not in MOVES[self.state]:
            raise IllegalTransition("feed watch", self.state, target, why)
        log.debug("feed: %s -> %s (%s)", self.state, target, why)
        if target is FeedState.TICKING:
            self._is_suspicious = False
        self.state = target
