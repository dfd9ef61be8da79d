"""Playback time: when to send a message recorded at some instant, with rate, pause, step and seek. Pure.

`recorded_ns` is an instant of the capture, `now_ns` one of the player's clock. An anchor ties the two together; every
change sets a new one.
"""

from __future__ import annotations


class Timeline:
    """`rate`: recorded seconds per second; None plays as fast as possible."""

    def __init__(self, rate: float | None = 1.0) -> None:
        """Raises ValueError unless the rate is above 0."""
        self.rate = _check_rate(rate)
        self.paused = False
        self.position_ns: int | None = None
        self._anchor: tuple[int, int] | None = None
        self._steps = 0

    def compute_due_ns(self, recorded_ns: int, now_ns: int) -> int | None:
        """When to send the next message, on the player's clock; None while paused. May lie in the past: due now."""
        if self.paused:
            return now_ns if self._steps else None
        if self.rate is None:
            return now_ns
        if self._anchor is None:
            self._anchor = (recorded_ns if self.position_ns is None else self.position_ns, now_ns)
        anchored_ns, at_ns = self._anchor
        return at_ns + round((recorded_ns - anchored_ns) / self.rate)

    def sent(self, recorded_ns: int) -> None:
        """Note that a message was sent: the position moves on, and a step is used up."""
        self.position_ns = recorded_ns
        if self.paused and self._steps:
            self._steps -= 1

    def reached_ns(self, now_ns: int) -> int | None:
        """The recorded instant that playback has reached; it moves on between messages, unless paused or at `max`."""
        if self._anchor is None or self.rate is None or self.paused:
            return self.position_ns
        anchored_ns, at_ns = self._anchor
        return anchored_ns + round((now_ns - at_ns) * self.rate)

    def pause(self, now_ns: int) -> None:
        """Stop until `resume`; may be called again."""
        self.hold(now_ns)
        self.paused = True

    def hold(self, now_ns: int) -> None:
        """Stop until the next call of `due_ns`, whether paused or not."""
        self.position_ns = self.reached_ns(now_ns)
        self._anchor = None

    def resume(self) -> None:
        """Continue from the current position."""
        self.paused = False
        self._steps = 0
        self._anchor = None

    def step(self, messages: int, now_ns: int) -> None:
        """Pause, but let this many more messages be sent at once."""
        self.pause(now_ns)
        self._steps += messages

    def change_rate(self, rate: float | None, now_ns: int) -> None:
        """Play at another rate from now on. Raises ValueError."""
        self.position_ns = self.reached_ns(now_ns)
        self.rate = _check_rate(rate)
        self._anchor = None

    def seek(self, recorded_ns: int) -> None:
        """Move to a recorded instant; the wait for the next message is counted from it."""
        self.position_ns = recorded_ns
        self._anchor = None


def _check_rate(rate: float | None) -> float | None:
    if rate is not None and not 0 < rate < float("inf"):
        raise ValueError("the rate must be above 0, or max")
    return rate
