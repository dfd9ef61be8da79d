"""Delays in bounded memory: buckets that widen with the value, each accurate to 1.6 %. Pure."""

from __future__ import annotations

_BITS = 6
_LINEAR = 1 << (_BITS + 1)
"""Values below this have one bucket each; above it, each doubling has 64."""


class DelayHistogram:
    """Counts of integers, negative ones as well; at most about 7,400 buckets for all 64-bit values."""

    def __init__(self) -> None:
        self.count = 0
        self.smallest: int | None = None
        self.largest: int | None = None
        self._buckets: dict[int, int] = {}

    def add(self, value: int) -> None:
        size = value if value >= 0 else -value
        if size >= _LINEAR:
            shift = size.bit_length() - _BITS - 1
            size = (shift << _BITS) + (size >> shift)
        bucket = size if value >= 0 else -size
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        if self.smallest is None or value < self.smallest:
            self.smallest = value
        if self.largest is None or value > self.largest:
            self.largest = value

    def quantile(self, share: float) -> int | None:
        """The value below which the share (0 to 1) of all values lies; None without values."""
        if self.smallest is None or self.largest is None:
            return None
        wanted, seen = share * self.count, 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return max(self.smallest, min(self.largest, _middle(bucket)))
        return self.largest


def _middle(bucket: int) -> int:
    size = abs(bucket)
    if size >= _LINEAR:
        shift = (size >> _BITS) - 1
        base = (size - (shift << _BITS)) << shift
        size = base + (1 << shift >> 1)
    return size if bucket >= 0 else -size
