"""Playback time: when a message recorded at some instant is to be sent, at a rate, with pause, step and seek.

`recorded_ns` are instants of the capture, `now_ns` those of the player's clock. The two are tied together at an anchor,
which is set anew by every change. Pure.
"""

from __future__ import annotations


class Timeline:
    """`rate` is how many recorded seconds pass in one; None plays as fast as it goes."""

    def __init__(self, rate: float | None = 1.0) -> None:
        """Raises ValueError for a rate that is not above 0."""
        self.rate = _checked(rate)
        self.paused = False
        self.position_ns: int | None = None
        self._anchor: tuple[int, int] | None = None
        self._steps = 0

    def due_ns(self, recorded_ns: int, now_ns: int) -> int | None:
        """When to send the next message, in the player's time; None while paused. A message in the past is due now."""
        if self.paused:
            return now_ns if self._steps else None
        if self.rate is None:
            return now_ns
        if self._anchor is None:
            self._anchor = (recorded_ns if self.position_ns is None else self.position_ns, now_ns)
        anchored_ns, at_ns = self._anchor
        return at_ns + round((recorded_ns - anchored_ns) / self.rate)

    def sent(self, recorded_ns: int) -> None:
        """A message was sent: the position moves on, and a step is used up."""
        self.position_ns = recorded_ns
        if self.paused and self._steps:
            self._steps -= 1

    def reached_ns(self, now_ns: int) -> int | None:
        """The recorded instant that playback has reached; between two messages it flows, unless paused or at `max`."""
        if self._anchor is None or self.rate is None or self.paused:
            return self.position_ns
        anchored_ns, at_ns = self._anchor
        return anchored_ns + round((now_ns - at_ns) * self.rate)

    def pause(self, now_ns: int) -> None:
        """Stand still from now on; may be repeated."""
        self.hold(now_ns)
        self.paused = True

    def hold(self, now_ns: int) -> None:
        """Stand still until the next `due_ns`, whether paused or not."""
        self.position_ns = self.reached_ns(now_ns)
        self._anchor = None

    def resume(self) -> None:
        """Go on from where it stands."""
        self.paused = False
        self._steps = 0
        self._anchor = None

    def step(self, messages: int, now_ns: int) -> None:
        """Pause, and send so many more messages without regard to time."""
        self.pause(now_ns)
        self._steps += messages

    def change_rate(self, rate: float | None, now_ns: int) -> None:
        """Another rate from now on. Raises ValueError."""
        self.position_ns = self.reached_ns(now_ns)
        self.rate = _checked(rate)
        self._anchor = None

    def seek(self, recorded_ns: int) -> None:
        """Stand at this recorded instant; the next message's wait is counted from it."""
        self.position_ns = recorded_ns
        self._anchor = None


def _checked(rate: float | None) -> float | None:
    if rate is not None and not 0 < rate < float("inf"):
        raise ValueError("the rate must be above 0, or max")
    return rate
