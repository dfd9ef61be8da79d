"""What every event begins with, and the types of its fields. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

VERSION = 1
"""Version of the wire. New fields are appended; anything else is a new version."""

Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Nanos = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Name = Annotated[str, Meta(max_length=128)]

DURATIONS = frozenset({"lag_ns", "quote_age_ns", "health_age_ns"})
"""The fields in nanoseconds that are no instants."""


def is_instant(field: str) -> bool:
    """Whether a field of an event is an instant in UTC nanoseconds, by its name."""
    return field.endswith("_ns") and field not in DURATIONS


class Event(Struct, array_like=True, frozen=True, gc=False):
    """The envelope. A publisher fills it when it sends; see `bus.sequence.Stamper`."""

    version: int = VERSION
    """Of the wire: 1."""
    source: Name = ""
    """One life of the program that published it: its name and six random hex digits."""
    seq: int = 0
    """Its number among the source's messages on this topic, without holes."""
    published_ns: int = 0
    """When the source sent it, UTC nanoseconds by the source's clock."""

    def to_dict(self) -> dict[str, Any]:
        """Its fields by name, in the order of the wire, as plain values.

        Returns:
            A new dict: enumerations are text, tuples are lists, rows within it are dicts; times stay nanoseconds.
        """
        return {name: _to_plain(getattr(self, name)) for name in self.__struct_fields__}


def _to_plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_to_plain(each) for each in value]
    if isinstance(value, Struct):
        return {name: _to_plain(getattr(value, name)) for name in value.__struct_fields__}
    return value.value if isinstance(value, StrEnum) else value


class Payload(Struct, array_like=True, frozen=True):
    """The envelope alone, for readers that only account for messages; the rest stays undecoded."""

    version: int
    source: Name
    seq: int
    published_ns: int
