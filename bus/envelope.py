"""What every event begins with, and the types of its fields. Pure."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

VERSION = 1
"""Version of the wire. New fields are appended; anything else is a new version."""

Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Nanos = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Name = Annotated[str, Meta(max_length=128)]


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


class Payload(Struct, array_like=True, frozen=True):
    """The envelope alone, for readers that only account for messages; the rest stays undecoded."""

    version: int
    source: Name
    seq: int
    published_ns: int
