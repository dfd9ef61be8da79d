"""How far another program's clock is from ours, so that the age of its messages can be told. Pure.

A message that was published at `p` and received at `r` was under way for `r - p`, less the difference of the two
clocks. Of that difference nothing but bounds is known:

- A round trip bounds it on both sides: the answer was published after we asked and before it arrived. Of the newest
  round trips the largest group that agrees counts, so that one false stamp decides nothing.
- The smallest delay bounds it from above. It only tightens the estimate within the round trips' bounds: a steady
  backlog has large delays, and must not look fresh.

Without a round trip, as in a tap, the smallest delay is all there is. A much smaller one than several messages had
counts when three in a row agree. One that no other message comes near is dropped after five seconds, and at once when
three messages say that it is off by more than any backlog.
"""

from __future__ import annotations

from collections import deque

from quotebus.bus.clock import NS_PER_MS, NS_PER_S

NEAR_NS = 250 * NS_PER_MS
"""Delays this close to each other support each other; a round trip longer than this bounds only from below."""
AHEAD_NS = NS_PER_S
"""A message stamped later than the round trips allow, by more than this, is false."""
MAX_BACKLOG_NS = 60 * NS_PER_S
"""No queue of the bus holds messages this old for long: a delay that stays above it means that the level is false."""
SUPPORT = 3
_UNSUPPORTED_NS = 5 * NS_PER_S
_TRIPS = 5
_DRIFT_NS = 20 * NS_PER_MS


class SourceClock:
    """The estimate for one source; all instants are nanoseconds, `published_ns` by the source's clock."""

    __slots__ = (
        "_above_count",
        "_above_ns",
        "_below_count",
        "_below_ns",
        "_smallest_ns",
        "_support",
        "_supported_ns",
        "_trips",
        "earliest_ns",
        "offset_ns",
    )

    def __init__(self) -> None:
        self.offset_ns = 0
        """Our clock less the source's, as far as it is known; 0 before the first message."""
        self.earliest_ns: int | None = None
        """The least that the difference can be; None without a round trip."""
        self._smallest_ns: int | None = None
        self._support = 0
        self._supported_ns = 0
        self._above_ns: int | None = None
        self._above_count = 0
        self._below_ns = 0
        self._below_count = 0
        self._trips: deque[tuple[int, int]] = deque(maxlen=_TRIPS)

    def observe(self, published_ns: int, received_ns: int) -> None:
        """A message of the source."""
        delay_ns = received_ns - published_ns
        smallest_ns = self._smallest_ns
        if smallest_ns is None:
            self._set_level(delay_ns, received_ns)
        elif delay_ns < smallest_ns - NEAR_NS:
            self._observe_below(delay_ns, received_ns)
        elif delay_ns <= smallest_ns + NEAR_NS:
            self._support += 1
            self._supported_ns = received_ns
            self._above_ns, self._above_count, self._below_count = None, 0, 0
            if delay_ns < smallest_ns:
                self._smallest_ns = delay_ns
                self._estimate()
        else:
            self._observe_above(delay_ns, smallest_ns, received_ns)

    def _observe_below(self, delay_ns: int, received_ns: int) -> None:
        """A smaller delay than the level: at once where the level is young, else when three in a row agree."""
        agrees = self._below_count > 0 and abs(delay_ns - self._below_ns) <= NEAR_NS
        self._below_ns = min(delay_ns, self._below_ns) if agrees else delay_ns
        self._below_count = self._below_count + 1 if agrees else 1
        if self._support < SUPPORT or self._below_count >= SUPPORT:
            self._set_level(self._below_ns, received_ns)

    def _observe_above(self, delay_ns: int, smallest_ns: int, received_ns: int) -> None:
        """A delay that does not support the level: late, or the level is false."""
        self._above_ns = delay_ns if self._above_ns is None else min(self._above_ns, delay_ns)
        self._above_count += 1
        if self._above_count < SUPPORT:
            return
        unsupported = received_ns - self._supported_ns > _UNSUPPORTED_NS and self._support < SUPPORT
        if unsupported or self._above_ns - smallest_ns > MAX_BACKLOG_NS:
            self._set_level(self._above_ns, received_ns)

    def _set_level(self, delay_ns: int, received_ns: int) -> None:
        self._smallest_ns, self._support, self._supported_ns = delay_ns, 1, received_ns
        self._above_ns, self._above_count, self._below_count = None, 0, 0
        self._estimate()

    def on_round_trip(self, asked_ns: int, published_ns: int, answered_ns: int) -> bool:
        """An answer, published in between, to what was asked once at `asked_ns`. False when others contradict it."""
        if answered_ns < asked_ns:
            return True
        self._trips.append((asked_ns - published_ns, answered_ns - published_ns))
        groups = [[trip for trip in self._trips if _agree(trip, one)] for one in self._trips]
        agreed = max(groups, key=len)
        self.earliest_ns = max(earliest for earliest, _ in agreed)
        self._estimate()
        return self._trips[-1] in agreed

    def is_ahead(self, published_ns: int, received_ns: int) -> bool:
        """Whether it was stamped later than it can have been published."""
        return self.earliest_ns is not None and received_ns - published_ns < self.earliest_ns - AHEAD_NS

    def _estimate(self) -> None:
        latest_ns = self._smallest_ns
        if self.earliest_ns is not None:
            within_ns = self.earliest_ns + NEAR_NS
            latest_ns = within_ns if latest_ns is None else max(self.earliest_ns, min(latest_ns, within_ns))
        self.offset_ns = latest_ns or 0


def _agree(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] + _DRIFT_NS and other[0] <= one[1] + _DRIFT_NS
