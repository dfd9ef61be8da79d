"""What a client says in the log about its prices, rarely. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod

from quotebus.bus.book import Book
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.interest import Interest, ask_for_near
from quotebus.bus.protocol import HEALTH_SILENCE_NS

WARN_EVERY_NS = 10 * NS_PER_S
MOST_NAMED = 5
CONFLICT_CERTAIN_NS = 3 * NS_PER_S
"""A node gives the holder of a name two seconds to answer. A program refused for longer knows that another one runs."""


class ClientWarnings(ABC):
    """The lines a Consumer has to say; it keeps what they are about."""

    replayed: bool
    interest: Interest
    book: Book
    counters: dict[str, int]
    _version_note: str | None
    _challenged: bool
    _next_warning_ns: int
    _next_conflict_warning_ns: int

    @abstractmethod
    def time_ns(self, now_ns: int) -> int:
        """The instant to judge at."""

    def take_warning(self, now_ns: int, *, no_broker_at: str = "") -> str | None:
        """One line, at most every ten seconds, while symbols are wanted and the upstream is not streaming.

        `no_broker_at` is the address that nobody answers at, where that is known.
        """
        if not self.interest.wanted.symbols or now_ns < self._next_warning_ns:
            return None
        if self.book.streaming(self.time_ns(now_ns)):
            return None
        if self._next_warning_ns == 0:  # a line that is just coming up deserves no warning
            self._next_warning_ns = now_ns + WARN_EVERY_NS // 2
            return None
        self._next_warning_ns = now_ns + WARN_EVERY_NS
        self.counters["line_down_warnings"] += 1
        health, count = self.book.health, len(self.interest.wanted.symbols)
        wanted = f"{count} symbol{'s' * (count != 1)} wanted"
        if no_broker_at:
            return f"{wanted}, but no broker answers at {no_broker_at}; start it with: quotebus up"
        if health is None and self.counters["replayed"]:
            heard, used = ("live", "replayed") if self.replayed else ("replayed", "live")
            return f"{wanted}, but only {heard} messages are heard, and {used} ones are asked for"
        if health is None:
            return f"{wanted}, but no pricing node is heard"
        if self.book.age_ns(health, self.time_ns(now_ns)) > HEALTH_SILENCE_NS:
            return f"{wanted}, but the pricing node {health.node} has gone silent"
        return f"{wanted}, but the line is {health.state} ({health.cause})"

    def take_conflict_warning(self, now_ns: int) -> str | None:
        """One line, at most every ten seconds, while another running program asks under this client's name."""
        since_ns, name = self.interest.conflict_since_ns, self.interest.client
        refused = since_ns is not None and now_ns - since_ns >= CONFLICT_CERTAIN_NS
        if now_ns < self._next_conflict_warning_ns or not (refused or self._challenged):
            return None
        self._challenged = False
        self._next_conflict_warning_ns = now_ns + WARN_EVERY_NS
        if refused:
            return (
                f"another program runs under the client name {name} and holds it: this one gets no prices; rename one"
            )
        return f"another program asks for prices under the client name {name} and is refused; rename one of the two"

    def take_absent_note(self) -> str | None:
        """One line for the symbols that turned out to be none of the venue's, each named once; else None."""
        interest = self.interest
        absent = [found for name in interest.newly_absent if (found := interest.results.get(name)) is not None]
        interest.newly_absent.clear()
        named = [f"{found.symbol} ({found.cause}{ask_for_near(found.near)})" for found in absent[:MOST_NAMED]]
        if not named:
            return None
        more = f" and {len(absent) - MOST_NAMED} more" if len(absent) > MOST_NAMED else ""
        return f"no price will come for {', '.join(named)}{more}"

    def take_version_note(self) -> str | None:
        """One line, once, after the first message of a version that cannot be read."""
        note, self._version_note = self._version_note, None
        return note
