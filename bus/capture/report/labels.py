"""Numbers and times as a report prints them. Pure."""

from __future__ import annotations

import time
from html import escape
from math import floor, log10

from quotebus.bus.clock import NS_PER_S

_UNITS = ((NS_PER_S, "s"), (1_000_000, "ms"), (1_000, "µs"), (1, "ns"))
_TIME_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400)


def text(raw: str, longest: int = 200) -> str:
    """What a capture says, made harmless for a page: escaped, without control characters, and cut."""
    clean = "".join(char if char.isprintable() else "�" for char in raw[:longest])
    return escape(clean + ("…" if len(raw) > longest else ""), quote=True)


def duration(ns: float | None) -> str:
    """`3.2 ms`."""
    if ns is None:
        return "–"
    for size, unit in _UNITS:
        if abs(ns) >= size:
            return f"{ns / size:.3g} {unit}"
    return "0"


def clock(at_ns: int, *, milliseconds: bool = False) -> str:
    """`14:30:05` UTC."""
    try:
        shown = time.strftime("%H:%M:%S", time.gmtime(at_ns // NS_PER_S))
    except (OverflowError, ValueError, OSError):
        return str(at_ns)
    return f"{shown}.{at_ns // 1_000_000 % 1_000:03d}" if milliseconds else shown


def count(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def size(number: int) -> str:
    """`12.3 MB`."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1_000 or unit == "GB":
            break
        value /= 1_000
    return f"{value:.3g} {unit}"


def time_ticks(begin_ns: int, end_ns: int, most: int = 9) -> list[int]:
    """Round instants within a span, at most so many."""
    length_s = max(1, (end_ns - begin_ns) // NS_PER_S)
    step_s = next((step for step in _TIME_STEPS_S if length_s / step <= most), max(86_400, length_s // most))
    step_ns = step_s * NS_PER_S
    first = -(-begin_ns // step_ns) * step_ns
    return list(range(first, end_ns + 1, step_ns))[: most + 1]


def value_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round values within a range, at most about so many."""
    if not high > low:
        return [low]
    decade = 10.0 ** floor(log10((high - low) / most))
    step = next(decade * factor for factor in (1, 2, 5, 10, 20) if (high - low) / (decade * factor) <= most)
    first = -(-low // step) * step
    return [first + step * number for number in range(most + 2) if first + step * number <= high + step * 1e-9]
