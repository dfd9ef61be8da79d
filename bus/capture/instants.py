"""Instants of a capture as people write them. Pure."""

from __future__ import annotations

import calendar
import re

from quotebus.bus.clock import NS_PER_S

_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?Z?\Z")
_OFFSET = re.compile(r"\+(\d{1,9})(?:\.(\d{1,9}))?s?\Z")
_NANOSECONDS = re.compile(r"\d{15,19}\Z")


def parse_instant(text: str, first_ns: int) -> int:
    """UTC nanoseconds from `2026-01-05T14:30:00.5Z`, from nanoseconds, or from `+90`: seconds after `first_ns`.

    Raises ValueError with one line of text.
    """
    if _NANOSECONDS.match(text):
        return int(text)
    if offset := _OFFSET.match(text):
        return first_ns + int(offset[1]) * NS_PER_S + _fraction_ns(offset[2])
    if iso := _ISO.match(text):
        year, month, day, hour, minute, second = (int(part or 0) for part in iso.groups()[:6])
        if 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1] and hour < 24 and minute < 60:
            seconds = calendar.timegm((year, month, day, hour, minute, min(second, 59), 0, 0, 0))
            return seconds * NS_PER_S + _fraction_ns(iso[7])
    raise ValueError(f"not a time: {text[:40]!r} (2026-01-05T14:30:00Z, nanoseconds, or +seconds from the start)")


def _fraction_ns(digits: str | None) -> int:
    return int((digits or "").ljust(9, "0"))
