"""Seconds as they would be with a processor free for each program, so that a bound means the same at load 12.

Linux tells for each thread how long it was ready to run and did not (`schedstat`). What a test times is a chain of
programs that wait for each other, so their waits are added up, the longest of each program's threads, and taken off. On
an idle machine that is next to nothing.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns

EVERY_NS = 20 * NS_PER_MS
_PROC = Path("/proc")


class Stopwatch:
    """Samples this process and all below it from `begin` to `end`."""

    def __init__(self) -> None:
        self._samples: list[tuple[int, dict[tuple[int, int], int]]] = []
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stopwatch", daemon=True)

    def begin(self) -> None:
        self._sample()
        self._thread.start()

    def end(self) -> None:
        self._ending.set()
        self._thread.join(5)

    def seconds(self, began_ns: int, ended_ns: int | None = None) -> float:
        """Seconds between two instants of `now_ns`, until now where there is no second one, less what was waited."""
        ended_ns = now_ns() if ended_ns is None else ended_ns
        return (ended_ns - began_ns) / NS_PER_S - self.waited_s(began_ns, ended_ns)

    def waited_s(self, began_ns: int, ended_ns: int) -> float:
        """How long the programs waited for a processor, one after another."""
        self._sample()
        until_ns = ended_ns + 2 * EVERY_NS  # a wait is counted when it is over
        with self._lock:
            before = next((waits for at_ns, waits in reversed(self._samples) if at_ns <= began_ns), {})
            after = next((waits for at_ns, waits in reversed(self._samples) if at_ns <= until_ns), {})
        longest: dict[int, int] = {}
        for (pid, task), waited_ns in after.items():
            longest[pid] = max(longest.get(pid, 0), waited_ns - before.get((pid, task), 0))
        return sum(longest.values()) / NS_PER_S

    def _run(self) -> None:
        while not self._ending.wait(EVERY_NS / NS_PER_S):
            self._sample()

    def _sample(self) -> None:
        seen = {
            (pid, task): waited_ns
            for pid in _family(os.getpid())
            for task, waited_ns in _waits(pid)
            if task != self._thread.native_id  # nobody waits for this one
        }
        with self._lock:
            last = self._samples[-1][1] if self._samples else {}
            self._samples.append((now_ns(), {**last, **seen}))  # what has ended keeps what it waited


def _family(pid: int) -> list[int]:
    """The process and all that it has started."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        for task in _entries(_PROC / str(one) / "task"):
            try:
                todo += map(int, (_PROC / str(one) / "task" / task / "children").read_text().split())
            except OSError:
                continue
    return found


def _waits(pid: int) -> list[tuple[int, int]]:
    waits = []
    for task in _entries(_PROC / str(pid) / "task"):
        try:
            waits.append((int(task), int((_PROC / str(pid) / "task" / task / "schedstat").read_text().split()[1])))
        except (OSError, IndexError, ValueError):
            continue
    return waits


def _entries(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
