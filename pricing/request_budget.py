"""How many REST requests may be made: a bucket that refills, and the venue's own word when it says to wait. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from quotebus.bus.clock import NS_PER_S

TOO_MANY = 429
MAX_HOLD_NS = 3_600 * NS_PER_S
"""A venue that asks for more is asked again all the same."""
DEFAULT_HOLD_NS = 30 * NS_PER_S


class RequestBudget:
    """`burst` requests at once, and `per_minute` in the long run."""

    def __init__(self, burst: int, per_minute: float) -> None:
        self._burst = burst
        self._per_ns = per_minute / (60 * NS_PER_S)
        self._left = float(burst)
        self._filled_ns: int | None = None
        self._held_until_ns = 0

    def has_room(self, now_ns: int) -> bool:
        """Whether a request may be made now."""
        if self._filled_ns is not None:
            self._left = min(float(self._burst), self._left + (now_ns - self._filled_ns) * self._per_ns)
        self._filled_ns = now_ns
        return now_ns >= self._held_until_ns and self._left >= 1

    def take(self, now_ns: int) -> bool:
        """`has_room`; the request is counted then."""
        has_room = self.has_room(now_ns)
        self._left -= has_room
        return has_room

    def watch(self, status: int, headers: Mapping[str, str], now_ns: int, utc_ns: int) -> None:
        """Take the venue's word from status and headers of an answer; see `read_wait_ns`."""
        if status == TOO_MANY:
            self.hold(read_wait_ns(headers, utc_ns), now_ns)

    def hold(self, for_ns: int, now_ns: int) -> None:
        """The venue said to come back later."""
        self._held_until_ns = max(self._held_until_ns, now_ns + min(for_ns, MAX_HOLD_NS))


def read_wait_ns(headers: Mapping[str, str], utc_ns: int) -> int:
    """How long a 429 asks to wait: `Retry-After` in seconds, else `X-RateLimit-Reset` in epoch seconds, else 30 s.

    Names of headers in lower case.
    """
    after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if _is_whole(after):
        return int(after) * NS_PER_S
    if _is_whole(reset):
        return max(NS_PER_S, int(reset) * NS_PER_S - utc_ns)
    return DEFAULT_HOLD_NS


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 12
