"""The only place that reads a clock. All times are integer nanoseconds.

`now_ns` (CLOCK_BOOTTIME) drives every deadline: it never steps, and it counts suspend, so that a lease or a
price does not survive a closed lid. `utc_ns` is what goes on the wire: UTC read once at start and carried on by the
same clock, so that a step of the system's wall clock cannot make two messages of one process look reordered or old.
"""

from __future__ import annotations

import time
from datetime import UTC, timedelta
from datetime import datetime as datetime  # the type, for files that may not read a clock

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

if hasattr(time, "CLOCK_BOOTTIME"):

    def now_ns() -> int:
        """Nanoseconds since boot, suspend included; comparable only within one machine."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

else:  # macOS: its monotonic clock is the nearest thing

    def now_ns() -> int:
        """Nanoseconds of the monotonic clock; comparable only within one machine."""
        return time.monotonic_ns()


_UTC_AT_BOOT_NS = time.time_ns() - now_ns()


def utc_ns() -> int:
    """UTC nanoseconds that never step during the process's life."""
    return _UTC_AT_BOOT_NS + now_ns()


def measure_wall_offset_ns() -> int:
    """How far the system's wall clock is ahead of `utc_ns` now: it was set since the start, or runs at another rate."""
    return time.time_ns() - utc_ns()


def take_wall_clock() -> None:
    """Read UTC anew. Whatever has a name of its own in messages must take another one: its times have jumped."""
    global _UTC_AT_BOOT_NS
    _UTC_AT_BOOT_NS = time.time_ns() - now_ns()


def to_utc_ns(boot_ns: int) -> int:
    """The UTC instant of a `now_ns` reading."""
    return _UTC_AT_BOOT_NS + boot_ns


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_datetime(utc_at_ns: int) -> datetime:
    """An instant in UTC nanoseconds as an aware datetime; what is below a microsecond is cut off."""
    return _EPOCH + timedelta(microseconds=utc_at_ns // 1_000)


def seconds(duration_s: float) -> int:
    """A duration in seconds as nanoseconds."""
    return int(duration_s * NS_PER_S)


sleep_s = time.sleep
"""Block this thread; shells only."""
