"""A slow connection: how many bytes may be sent now, and when the next. Pure."""

from __future__ import annotations

NS_PER_S = 1_000_000_000
SLICES_PER_S = 50
MOST_BEHIND_NS = 20_000_000
LONGEST_NS = 60 * NS_PER_S


class BandwidthLimit:
    """A limit in bytes per second, sent in slices. A late slice is made up for, unless slices are single bytes."""

    def __init__(self, bytes_per_s: float, slice_bytes: int) -> None:
        self.key = (bytes_per_s, slice_bytes)
        self.next_ns = 0
        self._bytes_per_s = bytes_per_s
        self._slice_bytes = slice_bytes

    def room(self, now_ns: int) -> int:
        """How many bytes may be sent now."""
        return self._slice_bytes if now_ns >= self.next_ns else 0

    def use(self, count: int, now_ns: int) -> None:
        """Count bytes that were sent."""
        behind_ns = MOST_BEHIND_NS if self._slice_bytes > 1 else 0
        self.next_ns = max(self.next_ns, now_ns - behind_ns) + round(count * NS_PER_S / self._bytes_per_s)

    def duration_ns(self, count: int) -> int:
        """How long it takes to send so many bytes, at most a minute."""
        return min(LONGEST_NS, round(count * NS_PER_S / self._bytes_per_s))


def choose_limit(slicer_ms: float | None, bytes_per_s: float | None) -> BandwidthLimit | None:
    """The limit of a connection under the faults `slicer_ms` and `throttle_bytes_s`; None is full speed."""
    if slicer_ms is not None:
        per_s = 1000 / slicer_ms
        return BandwidthLimit(per_s if bytes_per_s is None else min(per_s, bytes_per_s), 1)
    if bytes_per_s is not None:
        return BandwidthLimit(bytes_per_s, max(1, int(bytes_per_s) // SLICES_PER_S))
    return None
