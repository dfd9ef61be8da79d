"""Event rates, over the last seconds and over all time. Time is the stream's, passed as an argument. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from quotebus.bus.clock import NS_PER_S

KeyT = TypeVar("KeyT", bound=Hashable)
MAX_KEYS = 20_000
"""Further keys are counted together, so that made-up topics cannot fill memory."""
WINDOW = 5
"""A rate covers this many intervals of a second."""


class Rates(Generic[KeyT]):
    """Counts by key. `count` must be called in the order of time; `at` without a new message lets time pass."""

    def __init__(self, interval_ns: int = NS_PER_S) -> None:
        self.total: dict[KeyT, int] = {}
        self.total_bytes: dict[KeyT, int] = {}
        self.others = 0
        self.messages = 0
        self.octets = 0
        self.began_ns: int | None = None
        self.newest_ns = 0
        self._interval_ns = interval_ns
        self._started_ns = self._ends_ns = 0
        self._now: dict[KeyT, int] = {}
        self._now_octets = 0
        self._past: deque[tuple[int, dict[KeyT, int], int]] = deque(maxlen=WINDOW)

    def count(self, key: KeyT, octets: int, at_ns: int, messages: int = 1) -> None:
        """One message under `key`, or several that have `octets` bytes together."""
        if at_ns >= self._ends_ns:
            self.at(at_ns)
        self.messages += messages
        self.octets += octets
        self._now_octets += octets
        self.newest_ns = at_ns
        if key in self.total:
            self.total[key] += messages
            self.total_bytes[key] += octets
        elif len(self.total) < MAX_KEYS:
            self.total[key] = messages
            self.total_bytes[key] = octets
        else:
            self.others += messages
            return
        self._now[key] = self._now.get(key, 0) + messages

    def at(self, now_ns: int) -> None:
        """Let time pass to `now_ns`: a complete interval joins the window, the very first one after half of it."""
        if self.began_ns is None:
            self.began_ns = self.newest_ns = self._started_ns = now_ns
            self._ends_ns = now_ns + self._interval_ns
        elif now_ns >= self._ends_ns or (not self._past and now_ns - self._started_ns >= self._interval_ns // 2):
            self._past.append((now_ns - self._started_ns, self._now, self._now_octets))
            self._now, self._now_octets = {}, 0
            self._started_ns, self._ends_ns = now_ns, now_ns + self._interval_ns

    def per_s(self, key: KeyT) -> float:
        """The key's rate over the window; 0 before the first interval has ended."""
        window_ns = sum(length_ns for length_ns, _, _ in self._past)
        return sum(counts.get(key, 0) for _, counts, _ in self._past) * NS_PER_S / window_ns if window_ns else 0.0

    def all_per_s(self) -> tuple[float, float]:
        """Messages and bytes per second over the window, for all keys."""
        window_ns = sum(length_ns for length_ns, _, _ in self._past)
        if not window_ns:
            return 0.0, 0.0
        messages = sum(sum(counts.values()) for _, counts, _ in self._past)
        return messages * NS_PER_S / window_ns, sum(octets for _, _, octets in self._past) * NS_PER_S / window_ns

    def mean_per_s(self, key: KeyT, now_ns: int) -> float:
        """The key's rate since the very first message."""
        elapsed_ns = now_ns - (self.began_ns if self.began_ns is not None else now_ns)
        return self.total.get(key, 0) * NS_PER_S / elapsed_ns if elapsed_ns > 0 else 0.0
