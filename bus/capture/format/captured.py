"""What a capture yields: messages as they crossed the bus, losses that its recorder noted, damage to files. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from quotebus.bus import codec, topics
from quotebus.bus.errors import QuotebusError, UndecodableMessage
from quotebus.bus.events import VERSION, Event

GAP_TOPIC = "capture.gap"
"""The topic of the recorder's own notes. It never crosses the bus, and no player publishes it."""


def is_recordable(topic: str) -> bool:
    """Whether a capture may hold this topic: one of a known kind, or that of the recorder's own notes."""
    return topic == GAP_TOPIC or (topics.is_topic(topic) and topics.kind(topic) in codec.KINDS)


@dataclass(frozen=True, slots=True)
class Captured:
    """One recorded message. Times are UTC nanoseconds.

    `sequence` is the recorder's count, without a hole from the first message of a run to the last. `received_ns` is
    when the recorder read it from its socket, `published_ns` the publisher's own timestamp (0 for a negative one).
    """

    topic: str
    payload: bytes
    sequence: int
    received_ns: int
    published_ns: int

    @property
    def frame(self) -> bytes:
        """The message as it crossed the bus."""
        return self.topic.encode("ascii") + topics.END + self.payload

    def event(self) -> Event:
        """The decoded message. Raises UndecodableMessage."""
        return decode_gap(self.payload) if self.topic == GAP_TOPIC else codec.decode(self.frame)


class GapCause(StrEnum):
    """Where messages were lost."""

    BUS = "bus"
    """Between publisher and recorder: their numbers are missing."""
    QUEUE = "queue"
    """In the recorder: the disk could not keep up."""
    UNREADABLE = "unreadable"
    """Not recorded: no envelope of this wire version, or no known topic."""


class Gap(Event, frozen=True, kw_only=True, gc=False):
    """Messages that are missing from the capture, noted at the place where they are missing.

    `publisher` and `topic` are theirs; empty if unknown. `first_seq` is the publisher's number of the first missing
    message, 0 if unknown. `source` and `seq` of the envelope are the recorder's.
    """

    cause: str
    publisher: str
    topic: str
    first_seq: int
    count: int


_decode_gap = msgspec.msgpack.Decoder(Gap).decode
_encode = msgspec.msgpack.Encoder().encode


def encode_gap(gap: Gap) -> bytes:
    """The payload of a message under GAP_TOPIC."""
    return _encode(gap)


def decode_gap(payload: bytes) -> Gap:
    """The gap of a payload under GAP_TOPIC. Raises UndecodableMessage."""
    try:
        gap = _decode_gap(payload)
    except codec.DECODE_ERRORS as error:
        raise UndecodableMessage("malformed", str(error)[:120]) from None
    if gap.version != VERSION:
        raise UndecodableMessage("version", f"version {gap.version}")
    return gap


@dataclass(frozen=True, slots=True)
class Damage:
    """Where a file stops being what its recorder wrote, and what is lost from there on.

    `offset`: the byte in `file` where that was noticed. `lost_bytes`: how much of the file cannot be used.
    `last_sequence`: the last good message, 0 for none. `cut_off`: the file just ends, because its recorder was killed
    or is still writing.
    """

    file: str
    offset: int
    what: str
    last_sequence: int
    lost_bytes: int
    cut_off: bool = False

    def __str__(self) -> str:
        good = f"good up to message {self.last_sequence}" if self.last_sequence else "no good message before it"
        lost = f"{self.lost_bytes} bytes are lost" if self.lost_bytes else "nothing of the file is lost"
        return f"{self.file}: {self.what} at byte {self.offset}; {good}, {lost}"


class CaptureDamaged(QuotebusError):
    """A capture is not whole; `damage` says where, and what is lost."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(str(damage))
        self.damage = damage


class NotACapture(QuotebusError):
    """A file or folder holds no capture that can be read at all; the text is one line."""

    def __init__(self, name: str, what: str, size: int = 0) -> None:
        super().__init__(f"{name}: {what}")
        self.damage = Damage(name, 0, what, 0, size)
