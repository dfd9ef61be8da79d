"""How far a connection lags behind the exchange: receive time minus exchange time, less the smallest difference. Pure.

Clocks differ, so one difference alone says nothing: the lag is how much it exceeds the smallest one seen on this
connection. A backlog grows by at most one second a second; a difference that grows faster is a step of the exchange's
clock and moves the base along. A pong proves that everything sent before its ping has arrived, so the lag is at most
the time since that ping.
"""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_MS

WINDOW_NS = 250 * NS_PER_MS
"""The smallest difference of a window counts: a late record or one symbol's odd clock says nothing about the rest."""
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
        """Records arrived at `received_ns`; the newest of them is stamped `newest_exchange_ns`."""
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
        """The pong of a ping sent at `pinged_ns` has arrived: everything sent before it has been read."""
        self._proven_ns = pinged_ns
        if self.lag_ns is not None:
            self.lag_ns = min(self.lag_ns, now_ns - pinged_ns)

    def on_stuck(self, for_ns: int) -> None:
        """A message has been incomplete for this long: whatever follows it is at least as late."""
        self.lag_ns = max(self.lag_ns or 0, for_ns)

    def _close(self) -> None:
        """End a window. A growth faster than any backlog's is taken for a step of the exchange's clock."""
        assert self._base_ns is not None
        if self._previous is not None:
            former_ns, since_ns = self._previous
            growth_ns = self._smallest_ns - former_ns
            if growth_ns > self._last_ns - max(since_ns, self._proven_ns) + TOLERANCE_NS:
                self._base_ns += growth_ns
        self._base_ns = min(self._base_ns, self._smallest_ns)
        self.lag_ns = self._smallest_ns - self._base_ns
        self._previous = (self._smallest_ns, self._last_ns)
