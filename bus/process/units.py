"""Durations, rates, sizes, prices and instants as a person reads them, in few columns. Pure.

What cannot be shown as such, an absent value or an instant that is no time of day, is `-` or the bare number.
"""

from __future__ import annotations

import time

from quotebus.bus.clock import NS_PER_S

_STEPS = ((1_000, "ns"), (1_000_000, "us"), (1_000_000_000, "ms"))
_FOREVER_NS = 2**61
_YEAR_10000_S = 253_402_300_800


def format_duration(ns: float | None) -> str:
    """`2.8ms`, `12.3s`, `4m12s`, `2h05m`, `3d04h`: at most seven columns; `-` for None or what cannot be known."""
    if ns is None or abs(ns) >= _FOREVER_NS:
        return "-"
    if ns < 0:
        return f"-{format_duration(-ns)}"
    if ns == 0:
        return "0"
    for limit, unit in _STEPS:
        if ns < limit:
            return _three(ns * 1_000 / limit) + unit
    seconds = ns / NS_PER_S
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3_600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3_600}h{whole % 3_600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3_600:02}h"


def format_rate(per_s: float) -> str:
    """`0`, `0.4`, `12.3`, `1.2k`, `158k`, `1.3M`."""
    if per_s <= 0:
        return "0"
    if per_s < 99.95:
        return f"{per_s:.1f}"
    if per_s < 999.5:
        return f"{per_s:.0f}"
    if per_s < 999_500:
        return _three(per_s / 1_000) + "k"
    return _three(per_s / 1_000_000) + "M"


def format_size(octets: float) -> str:
    """`812 B`, `1.2 kB`, `14 MB`: powers of 1,000."""
    for limit, unit in ((1_000, "B"), (1_000_000, "kB"), (1_000_000_000, "MB"), (1_000_000_000_000, "GB")):
        if octets < limit:
            return f"{octets:.0f} B" if limit == 1_000 else f"{_three(octets * 1_000 / limit)} {unit}"
    return f"{_three(octets / 1e12)} TB"


def format_price(value: float | None) -> str:
    """Two decimals, more where they are needed, at most nine columns; `-` where that side is absent."""
    if value is None:
        return "-"
    if not abs(value) < 1e9:  # a NaN, too
        return f"{value:.3g}"
    short = f"{value:.2f}"
    if abs(value) >= 10_000 or abs(float(short) - value) < 1e-9:
        return short
    return f"{value:.4f}"


def format_quantity(value: float | None) -> str:
    """A size, whole where it is whole; empty where it is absent."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) < 1e9 and value == int(value) else f"{value:.6g}"


def format_clock(utc_ns: int, *, milliseconds: bool = True) -> str:
    """`14:30:00.123`, or `14:30:00`, UTC."""
    second = _format_second("%H:%M:%S", utc_ns)
    return str(utc_ns) if second is None else second + (_format_milliseconds(utc_ns) if milliseconds else "")


def format_instant(utc_ns: int) -> str:
    """`2026-01-05 14:30:00.123`, UTC."""
    second = _format_second("%Y-%m-%d %H:%M:%S", utc_ns)
    return str(utc_ns) if second is None else second + _format_milliseconds(utc_ns)


def format_utc(utc_ns: int) -> str:
    """`2026-01-05T14:30:00.000000000Z`: to the nanosecond, as programs read it."""
    second = _format_second("%Y-%m-%dT%H:%M:%S", utc_ns)
    return str(utc_ns) if second is None else f"{second}.{utc_ns % NS_PER_S:09d}Z"


def _format_second(pattern: str, utc_ns: int) -> str | None:
    """The second of an instant; None where it lies before 1970 or after the year 9999."""
    seconds = utc_ns // NS_PER_S
    return time.strftime(pattern, time.gmtime(seconds)) if 0 <= seconds < _YEAR_10000_S else None


def _format_milliseconds(utc_ns: int) -> str:
    return f".{utc_ns // 1_000_000 % 1_000:03}"


def _three(value: float) -> str:
    """Three digits at most: 1.2, 12, 123."""
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"
