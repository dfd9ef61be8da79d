"""Who says what comes under a subject, and whether it is in his name. Pure.

A server's permissions bind the user in a subject, and nothing else of a message. So here the names inside are bound to
that user: its source, and what a program calls itself. What is marked as a replay is in nobody's name, and nobody live
minds it. Most messages begin like the one before under their subject, which is all that is compared then.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from quotebus.bus import topics
from quotebus.bus.codec import DECODE_ERRORS
from quotebus.bus.own_names import find_name_reader, is_own_name, name_in
from quotebus.bus.transport.nats.subjects import find_user, to_topic

_ARRAY_16, _ARRAY_32 = 0xDC, 0xDD


class _Envelope(msgspec.Struct, array_like=True, frozen=True):
    """The beginning of any message, read by whoever reads one at all."""

    version: object
    source: str


_read_envelope = msgspec.msgpack.Decoder(_Envelope).decode


@dataclass(slots=True)
class Forgeries:
    """What was dropped because it was in another's name."""

    count: int = 0
    subject: bytes = b""
    """The last one's."""


class Speaker:
    """Who may speak under one subject: called with a payload, it says whether that is in his name."""

    __slots__ = ("_begin", "_forgeries", "_may_name", "_read_name", "_subject", "_user")

    def __init__(self, user: str, topic: bytes, forgeries: Forgeries, subject: bytes = b"") -> None:
        """`topic` has its zero byte; `forgeries` is told what is not."""
        self._begin = b""
        """How a message begins that needs no further look; empty while that is not known."""
        self._user, self._forgeries, self._subject = user, forgeries, subject
        told = topic[:-1].decode("latin-1")
        self._read_name = find_name_reader(told)
        named = name_in(told)
        self._may_name = named is None or is_own_name(user, named)

    def __call__(self, payload: bytes) -> bool:
        """True also for what cannot be read by anybody: who cannot read it counts it."""
        if (self._begin and payload.startswith(self._begin)) or self._look(payload):
            return True
        self._forgeries.count += 1
        self._forgeries.subject = self._subject
        return False

    def _look(self, payload: bytes) -> bool:
        try:
            envelope = _read_envelope(payload)
        except DECODE_ERRORS:
            return True
        source = envelope.source
        if source.startswith(topics.REPLAYED):
            return True
        if not is_own_name(self._user, source) or not self._may_name:
            return False
        if self._read_name is None:
            self._begin = _begin_of(payload, envelope)
            return True
        try:
            name = self._read_name(payload)
        except DECODE_ERRORS:
            return True
        return isinstance(name, str) and is_own_name(self._user, name)


def find_speaker(root: bytes, forgeries: Forgeries, subject: bytes) -> Speaker | None:
    """Who may speak under this subject; None where nobody is bound."""
    user, topic = find_user(root, subject), to_topic(root, subject)
    return Speaker(user, topic, forgeries, subject) if user and topic else None


def _begin_of(payload: bytes, envelope: _Envelope) -> bytes:
    """The payload up to the end of its source; empty where that is written in an unusual way."""
    head = {_ARRAY_16: 3, _ARRAY_32: 5}.get(payload[0], 1)
    written = msgspec.msgpack.encode(envelope)[1:]
    return payload[: head + len(written)] if payload.startswith(written, head) else b""
