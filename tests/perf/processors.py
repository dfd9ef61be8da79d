"""What the kernel says of the processors: what a process has used, and whether others crowd the machine."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
CROWDED = 0.25
"""Processors taken by others from which on a round says more of them than of us."""
_BUSY = (0, 1, 2, 5, 6, 7)
"""Columns of /proc/stat that somebody had: user, nice, system, interrupts; and what the host kept for itself."""


def cpu_ns(pid: int) -> int:
    """Processor time of a process's threads that still live, to the nanosecond; 0 when it is gone."""
    used = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            used += int(task.read_text().split()[0])
        except OSError:
            continue  # it ended meanwhile
    return used


class Crowd:
    """What is used by others than some processes of ours and this one, from its making on."""

    def __init__(self, ours: Sequence[int]) -> None:
        self._ours = [*ours, os.getpid()]
        self._began_ns = time.monotonic_ns()
        self._before_ns = _busy_ns() - self._used_ns()

    def others(self) -> float:
        """Processors, on average."""
        return max(0.0, _busy_ns() - self._used_ns() - self._before_ns) / (time.monotonic_ns() - self._began_ns)

    def _used_ns(self) -> int:
        return sum(map(cpu_ns, self._ours))


def _busy_ns() -> int:
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    return sum(int(fields[column]) for column in _BUSY) * TICK_NS
