"""Texts, numbers and axis ticks of a report. Pure."""

from __future__ import annotations

from html import escape
from math import floor, log10

from quotebus.bus.clock import NS_PER_S

_TIME_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400)


def escape_text(raw: str, longest: int = 200) -> str:
    """Text from a capture, made safe for HTML: escaped, without control characters, cut at `longest`."""
    clean = "".join(char if char.isprintable() else "�" for char in raw[:longest])
    return escape(clean + ("…" if len(raw) > longest else ""), quote=True)


def format_count(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def choose_time_ticks(begin_ns: int, end_ns: int, most: int = 9) -> list[int]:
    """At most `most` + 1 round instants within a span."""
    length_s = max(1, (end_ns - begin_ns) // NS_PER_S)
    step_s = next((step for step in _TIME_STEPS_S if length_s / step <= most), max(86_400, length_s // most))
    step_ns = step_s * NS_PER_S
    first = -(-begin_ns // step_ns) * step_ns
    return list(range(first, end_ns + 1, step_ns))[: most + 1]


def choose_value_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """About `most` round values within a range."""
    if not high > low:
        return [low]
    decade = 10.0 ** floor(log10((high - low) / most))
    step = next(decade * factor for factor in (1, 2, 5, 10, 20) if (high - low) / (decade * factor) <= most)
    first = -(-low // step) * step
    return [first + step * number for number in range(most + 2) if first + step * number <= high + step * 1e-9]
