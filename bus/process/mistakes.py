"""A bad value in one voice: the name as it was given, what is wanted, and the value unless it may be a secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from quotebus.bus.process.command_line import format_choices, nearest
from quotebus.bus.process.flags import inner_type, is_positional, is_secret, is_switch, names, unit_of, variable

LONGEST_SHOWN = 60
"""Of a bad value, in characters."""
_NUMBERS = {
    "SECONDS": "a number of seconds", "PORT": "a port number", "SHARES": "a number of shares",
    "DOLLARS": "an amount in dollars", "MIB": "a whole number of MiB", "TICKS": "a whole number of ticks",
    "PAIRS": "a whole number of pairs", "COLUMNS": "a whole number of columns",
}  # fmt: skip
_OF_OURS = ("value_error", "assertion_error")
"""Kinds of error whose text is a sentence of this project's."""


def explain(settings: type[BaseModel], error: ValidationError, typed: Mapping[str, str]) -> str:
    """The first mistake as one line. `typed` has the flag that was typed for a field, where one was."""
    first = error.errors(include_url=False, include_context=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return _name_as_typed(settings, reason, typed)
    name = str(first["loc"][0])
    field = next((field for field in settings.model_fields if name == field or name in names(settings, field)), "")
    if not field:
        return f"{name.upper()}: {reason}"
    info, given = settings.model_fields[field], first["input"]
    if first["type"] not in _OF_OURS:
        reason = f"must be {describe_wanted(settings, field)}"
        near = nearest(str(given).lower(), _choices(info))
        reason += f"; did you mean {near}?" if near else ""
    where = typed.get(field) or (unit_of(settings, field) if is_positional(info) else variable(settings, field))
    return f"{where}: {reason}{'' if is_secret(info) else show_value(given, reason)}"


def _name_as_typed(settings: type[BaseModel], reason: str, typed: Mapping[str, str]) -> str:
    """A mistake of several fields together begins with the variable of one: with its flag, where that was given."""
    name, separator, rest = reason.partition(": ")
    flag = next((flag for field, flag in typed.items() if variable(settings, field) == name), name)
    return f"{flag}{separator}{rest}"


def describe_wanted(settings: type[BaseModel], field: str) -> str:
    """What a field takes: `a number of seconds above 0 and at most 60`, `paper or live`."""
    info = settings.model_fields[field]
    if choices := _choices(info):
        return format_choices(choices)
    if is_switch(info):
        return "true or false"
    kind = inner_type(info.annotation)
    if kind in (int, float, Decimal):
        number = "a whole number" if kind is int else "a number"
        return _NUMBERS.get(unit_of(settings, field), number) + _describe_range(info)
    longest = next((marker.max_length for marker in info.metadata if hasattr(marker, "max_length")), None)
    return "text" + (f" of at most {longest} characters" if longest else "")


def _choices(info: FieldInfo) -> Sequence[str]:
    kind = inner_type(info.annotation)
    return [str(choice) for choice in get_args(kind) if choice != ""] if get_origin(kind) is Literal else ()


def _describe_range(info: FieldInfo) -> str:
    bound: dict[str, Any] = {
        name: getattr(marker, name)
        for marker in info.metadata
        for name in ("ge", "gt", "le", "lt")
        if hasattr(marker, name)
    }
    if "ge" in bound and "le" in bound:
        return f" from {bound['ge']:,.12g} to {bound['le']:,.12g}"
    words = {"ge": "of at least", "gt": "above", "le": "at most", "lt": "below"}
    parts = [f"{words[name]} {value:,.12g}" for name, value in bound.items()]
    return f" {' and '.join(parts)}" if parts else ""


def show_value(value: object, reason: str = "") -> str:
    """A bad value, unless it is an address that may hold credentials, or the reason shows it already."""
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    if "@" in text or "?" in text or (text and repr(text) in reason):
        return ""
    return f" (given: {text[:LONGEST_SHOWN]!r})"
