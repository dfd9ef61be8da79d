"""How far a line is behind the exchange: received less exchange time, with the smallest difference taken away. Pure.

Clocks differ, so a difference alone says nothing: a line is behind by what it is above the smallest seen on it. A
backlog grows by a second a second at the most; a difference that grows faster is a step of the exchange's clock and
moves the base along. A pong proves that all that was sent before its ping has arrived, so the line is behind by no more
than the time since.
"""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_MS

WINDOW_NS = 250 * NS_PER_MS
"""Late records and one symbol's odd clock say nothing of the line: the smallest difference of a window counts."""
TOLERANCE_NS = 500 * NS_PER_MS


class LagMeter:
    """One connection's lag. Instants in ns: exchange and receive times UTC, pings and reads on the same clock."""

    def __init__(self) -> None:
        self.lag_ns: int | None = None
        self._base_ns: int | None = None
        self._previous: tuple[int, int] | None = None
        self._proven_ns = 0
        self._begun_ns = 0
        self._last_ns = 0
        self._smallest_ns = 0

    def observe(self, newest_exchange_ns: int, received_ns: int) -> None:
        """Records came at `received_ns`, the newest of them stamped `newest_exchange_ns`."""
        difference_ns = received_ns - newest_exchange_ns
        if self._base_ns is None:
            self._base_ns, self.lag_ns = difference_ns, 0
        elif received_ns - self._begun_ns >= WINDOW_NS:  # closed where it ended: a stall belongs to the next one
            self._close()
            self._begun_ns = 0
        if not self._begun_ns:
            self._begun_ns, self._smallest_ns = received_ns, difference_ns
        self._smallest_ns = min(self._smallest_ns, difference_ns)
        self._last_ns = received_ns

    def on_pong(self, pinged_ns: int, now_ns: int) -> None:
        """The pong of a ping sent at `pinged_ns` has come: what was sent before it has all been read."""
        self._proven_ns = pinged_ns
        if self.lag_ns is not None:
            self.lag_ns = min(self.lag_ns, now_ns - pinged_ns)

    def on_stuck(self, for_ns: int) -> None:
        """A message has been under way for so long and is not whole yet: what follows it is at least as late."""
        self.lag_ns = max(self.lag_ns or 0, for_ns)

    def _close(self) -> None:
        """End a window: a growth that no backlog could have explains itself by the exchange's clock."""
        assert self._base_ns is not None
        if self._previous is not None:
            former_ns, since_ns = self._previous
            growth_ns = self._smallest_ns - former_ns
            if growth_ns > self._last_ns - max(since_ns, self._proven_ns) + TOLERANCE_NS:
                self._base_ns += growth_ns
        self._base_ns = min(self._base_ns, self._smallest_ns)
        self.lag_ns = self._smallest_ns - self._base_ns
        self._previous = (self._smallest_ns, self._last_ns)
