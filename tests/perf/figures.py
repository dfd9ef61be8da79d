"""What the measurements share: progress, order statistics, and what the kernel says of a process."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def progress(text: str) -> None:
    """One line that replaces the last one; nothing when nobody watches."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K  {text}", end="", file=sys.stderr, flush=True)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share lies; values in any order, NaN for none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def rss_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def cpu_s(pid: int) -> float:
    """Processor time of a process since its start."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def family(pid: int) -> list[int]:
    """A process and its children."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Where the median lies with 95 % certainty, by order statistics; both ends for fewer than six values."""
    ordered, count = sorted(values), len(values)
    outside, below = 0.0, 0
    while below < count // 2 and outside + math.comb(count, below) / 2**count <= 0.025:
        outside += math.comb(count, below) / 2**count
        below += 1
    at = max(0, below - 1)
    return ordered[at], ordered[count - 1 - at]
