"""The time of a replay, told by the stamps of its messages. Pure."""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S

STEP_NS = 10 * NS_PER_S
"""A stamp further than this from the time so far needs others that agree with it."""
AGREEING = 3


class StreamClock:
    """The newest publication heard. One false stamp does not move it; three that agree do, forward or back."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._candidate_ns = 0
        self._agreeing = 0

    def peek(self, published_ns: int) -> int:
        """What `now_ns` will be after a message of this stamp."""
        if self.now_ns == 0 or abs(published_ns - self.now_ns) <= STEP_NS:
            return max(self.now_ns, published_ns)
        if self._agreeing == AGREEING - 1 and abs(published_ns - self._candidate_ns) <= STEP_NS:
            return max(self._candidate_ns, published_ns)
        return self.now_ns

    def advance(self, to_ns: int) -> None:
        """Whoever plays the stream knows that nothing more comes before this time."""
        self.now_ns = max(self.now_ns, to_ns)

    def observe(self, published_ns: int) -> None:
        """A message of the stream, in its order."""
        if self.now_ns == 0 or abs(published_ns - self.now_ns) <= STEP_NS:
            self.now_ns = max(self.now_ns, published_ns)
            self._agreeing = 0
            return
        if self._agreeing and abs(published_ns - self._candidate_ns) <= STEP_NS:
            self._agreeing += 1
            self._candidate_ns = max(self._candidate_ns, published_ns)
        else:
            self._agreeing, self._candidate_ns = 1, published_ns
        if self._agreeing >= AGREEING:
            self.now_ns, self._agreeing = self._candidate_ns, 0
