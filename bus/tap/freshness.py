"""Is what is shown current? Silence, lateness and starvation of the one that watches. Pure.

A program that watches the bus without being given the CPU shows old prices as if they were new, and reports messages as
lost that it never took. So it measures itself: how long it was away between two looks, and how late the messages are
that every program sends once a second, when it takes them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median_low

from quotebus.bus.clock import NS_PER_S

AWAY_NS = NS_PER_S
"""Longer between two looks than this is starved: a look is due twenty times a second."""
LATE_NS = NS_PER_S
"""What is shown is behind if messages are taken this late. A screen is drawn every half second."""
SILENT_NS = 3 * NS_PER_S
"""A broker publishes its counters every second: a bus without any message for this long is not heard."""
TOLD_NS = 10 * NS_PER_S
"""How long it is told after it has passed."""
_REPEAT_NS = 3 * NS_PER_S
_SOURCES = 64


@dataclass(frozen=True, slots=True)
class Currency:
    """How current a picture is. Durations in nanoseconds.

    `silent_ns`: since the last message, or since listening began. `behind_ns`: how late messages are taken now.
    `away_ns`: the longest time within the last 10 s in which nothing was looked at. `lost`: messages this program
    itself missed within the last 10 s.
    """

    connected: bool | None
    silent_ns: int
    behind_ns: int
    away_ns: int
    lost: int

    @property
    def deaf(self) -> bool:
        """Nothing is heard, so nothing that is shown is known to hold. Never so of a capture."""
        return self.connected is not None and (not self.connected or self.silent_ns > SILENT_NS)

    @property
    def behind(self) -> bool:
        """Messages are taken so late that what is shown is old."""
        return self.connected is not None and self.behind_ns > LATE_NS

    @property
    def starved(self) -> bool:
        """It was away within the last 10 s: what it lost is its own loss."""
        return self.connected is not None and self.away_ns > AWAY_NS

    @property
    def current(self) -> bool:
        return not (self.deaf or self.behind)


class Freshness:
    """Fed with every look, and with the messages that come regularly. `began_ns`: when listening began."""

    def __init__(self, began_ns: int) -> None:
        self._began_ns = self._looked_ns = began_ns
        self._heard_ns: int | None = None
        self._late: dict[str, tuple[int, int]] = {}
        self._away: deque[tuple[int, int]] = deque(maxlen=100)
        self._losses: deque[tuple[int, int]] = deque(maxlen=100)
        self._lost = 0

    def look(self, now_ns: int) -> None:
        """The program takes what has come: call it at least twice a second."""
        away_ns = now_ns - self._looked_ns
        if away_ns > AWAY_NS:
            self._away.append((now_ns, away_ns))
        self._looked_ns = now_ns

    def hear(self, now_ns: int) -> None:
        """A message of whatever kind was taken."""
        self._heard_ns = now_ns

    def time_message(self, source: str, late_ns: int, now_ns: int) -> None:
        """A health or counters, which every program sends each second, was taken `late_ns` after it was published."""
        if self._late.pop(source, None) is None and len(self._late) >= _SOURCES:
            del self._late[next(iter(self._late))]
        self._late[source] = (late_ns, now_ns)

    def note_losses(self, lost: int, now_ns: int) -> None:
        """How many messages this program has missed in all."""
        if lost > self._lost:
            self._losses.append((now_ns, lost - self._lost))
        self._lost = lost

    def judge(self, now_ns: int, connected: bool | None) -> Currency:
        """How current a picture taken now is. Of several sources the middle one counts: one liar changes nothing."""
        for times in (self._away, self._losses):
            while times and now_ns - times[0][0] > TOLD_NS:
                times.popleft()
        late = [late_ns for late_ns, at_ns in self._late.values() if now_ns - at_ns <= _REPEAT_NS]
        since_ns = self._began_ns if self._heard_ns is None else self._heard_ns
        return Currency(
            connected=connected,
            silent_ns=max(0, now_ns - since_ns),
            behind_ns=max(0, median_low(late)) if late else 0,
            away_ns=max((away_ns for _, away_ns in self._away), default=0),
            lost=sum(count for _, count in self._losses),
        )


def describe_currency(currency: Currency) -> str:
    """In words, what is wrong with a picture; empty when it is current and nothing was missed."""
    if currency.connected is False:
        return "not connected to the bus: nothing below is current"
    if currency.deaf:
        return f"nothing heard for {currency.silent_ns / 1e9:.0f} s: nothing below is current"
    if currency.behind:
        return f"behind by {currency.behind_ns / 1e9:.1f} s: this program gets too little CPU, and shows old prices"
    if currency.starved:
        lost = f"; the {currency.lost} messages lost are its own loss" if currency.lost else ""
        return f"starved: this program had no CPU for {currency.away_ns / 1e9:.1f} s of the last 10 s{lost}"
    return ""
