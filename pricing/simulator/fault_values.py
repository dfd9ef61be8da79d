"""Readers of fault values: from JSON or the command line to what the plan keeps. Pure.

Each reader takes the given value and returns the one to keep; ValueError says what the fault takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from quotebus.pricing.simulator.encoding import is_unicode


class CountedValue(NamedTuple):
    """A value that acts on the next `left` occasions."""

    value: int | str
    left: int


class PerSymbol(NamedTuple):
    """A number for each of some symbols."""

    numbers: dict[str, float]


Names = tuple[str, ...]
Bounds = tuple[float, float]
FaultValue = bool | int | float | str | Names | Bounds | CountedValue | PerSymbol
Reader = Callable[[object], FaultValue]

MOST_TIMES = 1_000_000
MOST_NUMBER = 1e300
"""A JSON number can be a whole one beyond every float; NaN is no number here."""
MOST_SYMBOLS = 10_000
MOST_SKEW_MS = 400 * 86_400_000
MOST_SHARES = 1e9
WORD = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST_NUMBER


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def flag(value: object) -> FaultValue:
    """True."""
    if value is not True:
        raise ValueError("takes true or false")
    return True


def times(value: object) -> FaultValue:
    """True, or a number of times."""
    if value is True:
        return True
    if not isinstance(value, int) or not _is_whole(value, 1, MOST_TIMES):
        raise ValueError("takes true, false, or a number of times")
    return value


def _read_counted(value: object, read: Reader, otherwise: str) -> FaultValue:
    if isinstance(value, list | tuple):
        if len(value) != 2 or not _is_whole(value[1], 1, MOST_TIMES):
            raise ValueError(f"takes {otherwise}, or [that, a number of times]")
        found = read(value[0])
        if not isinstance(found, int | str):
            raise ValueError(f"takes {otherwise}, or [that, a number of times]")
        return CountedValue(found, value[1])
    return read(value)


def code(value: object) -> FaultValue:
    """An error code of the protocol."""
    if not isinstance(value, int) or not _is_whole(value, 400, 599):
        raise ValueError("takes an error code from 400 to 599")
    return value


def code_times(value: object) -> FaultValue:
    """An error code, or [code, times]."""
    return _read_counted(value, code, "an error code from 400 to 599")


def _how(value: object) -> FaultValue:
    if value is True:
        return "rst"
    if not isinstance(value, str) or value not in ("rst", "fin"):
        raise ValueError("takes rst or fin")
    return value


def how_times(value: object) -> FaultValue:
    """`rst`, `fin`, or [that, times]."""
    return _read_counted(value, _how, "rst or fin")


def cut(value: object) -> FaultValue:
    """`rst`, `fin`, or a number of connections."""
    if value is True or isinstance(value, str):
        return _how(value)
    return times(value)


def close_code(value: object) -> FaultValue:
    """A WebSocket close code, legal or not."""
    if not isinstance(value, int) or not _is_whole(value, 0, 65_535):
        raise ValueError("takes a close code from 0 to 65535")
    return value


def status(value: object) -> FaultValue:
    """An HTTP status."""
    if not isinstance(value, int) or not _is_whole(value, 300, 599):
        raise ValueError("takes an HTTP status from 300 to 599")
    return value


def symbols(value: object) -> FaultValue:
    """One or more symbols."""
    names = value.split("+") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not names or len(names) > MOST_SYMBOLS:
        raise ValueError("takes a symbol, or a list of symbols")
    if not all(isinstance(name, str) and 0 < len(name) <= 32 and is_unicode(name) for name in names):
        raise ValueError("takes a symbol, or a list of symbols")
    return tuple(str(name) for name in names)


def symbols_or_all(value: object) -> FaultValue:
    """One or more symbols, or true for all."""
    if value is True:
        return True
    try:
        return symbols(value)
    except ValueError:
        raise ValueError("takes a symbol, a list of symbols, or true for all") from None


def number(least: float, most: float, what: str) -> Reader:
    """A reader of numbers between two bounds."""

    def read(value: object) -> FaultValue:
        if not isinstance(value, int | float) or not _is_number(value) or not least <= value <= most:
            raise ValueError(f"takes {what} from {least:g} to {most:g}")
        return value

    return read


def whole(least: int, most: int, what: str) -> Reader:
    """A reader of whole numbers between two bounds."""

    def read(value: object) -> FaultValue:
        if not isinstance(value, int) or not _is_whole(value, least, most):
            raise ValueError(f"takes {what} from {least} to {most}")
        return value

    return read


def milliseconds(value: object) -> FaultValue:
    """Milliseconds, or [least, most]."""
    bounds = value if isinstance(value, list | tuple) else (value, value)
    if len(bounds) != 2 or not all(_is_number(bound) for bound in bounds):
        raise ValueError("takes milliseconds from 0 to 600000, or [least, most]")
    least, most = float(bounds[0]), float(bounds[1])
    if not 0 <= least <= most <= 600_000:
        raise ValueError("takes milliseconds from 0 to 600000, or [least, most]")
    return (least, most)


def skew(value: object) -> FaultValue:
    """Milliseconds for all symbols, or {symbol: milliseconds}; negative is behind."""
    given = value if isinstance(value, Mapping) else {"": value}
    if not 0 < len(given) <= MOST_SYMBOLS:
        raise ValueError("takes milliseconds, or {symbol: milliseconds}")
    found: dict[str, float] = {}
    for name, skew_ms in given.items():
        known = is_unicode(str(name)) and _is_number(skew_ms)
        if not isinstance(skew_ms, int | float) or not known or abs(skew_ms) > MOST_SKEW_MS:
            raise ValueError("takes milliseconds, or {symbol: milliseconds}")
        found[str(name)] = skew_ms
    return PerSymbol(found) if isinstance(value, Mapping) else found[""]


def amounts(value: object) -> FaultValue:
    """A number of shares for each of some symbols: {symbol: shares}."""
    if not isinstance(value, Mapping) or not 0 < len(value) <= MOST_SYMBOLS:
        raise ValueError("takes {symbol: shares}")
    found: dict[str, float] = {}
    for name, shares in value.items():
        if not isinstance(shares, int | float) or not _is_number(shares) or not 0 <= shares <= MOST_SHARES:
            raise ValueError("takes {symbol: shares}")
        if not isinstance(name, str) or not is_unicode(name):
            raise ValueError("takes {symbol: shares}")
        found[name] = shares
    return PerSymbol(found)


def word(value: object) -> FaultValue:
    """One word of small letters and underscores."""
    if not isinstance(value, str) or not WORD.match(value):
        raise ValueError("takes a word of 1 to 32 small letters, digits and underscores")
    return value


def to_json(value: FaultValue) -> object:
    """A kept value as JSON, as it was given."""
    return value.numbers if isinstance(value, PerSymbol) else value
