"""How much one connection may send the broker: by rate, by topics, by client names, and all of them together. Pure.

The node tells clients apart by name only, so one peer with two thousand names would be two thousand clients to it. The
broker knows the connection each request came over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

import msgspec

from quotebus.bus import topics
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.codec import DECODE_ERRORS

NAMES_PER_CONNECTION = 8
"""A client of ours has one connection and one name; a program in another language may share one among a few."""

_REQUESTED = topics.prefix(topics.REQUESTED)


@dataclass(slots=True)
class Allowance:
    """A bucket of `burst` units, full at first, that gains `per_s` units a second."""

    burst: float
    per_s: float
    left: float = field(init=False)
    _at_ns: int | None = None

    def __post_init__(self) -> None:
        self.left = self.burst

    def take(self, units: float, now_ns: int) -> bool:
        """Take so much, if there is so much."""
        if self._at_ns is not None:
            self.left = min(self.burst, self.left + (now_ns - self._at_ns) * self.per_s / NS_PER_S)
        self._at_ns = now_ns
        if self.left < units:
            return False
        self.left -= units
        return True

    def spend(self, units: float, now_ns: int) -> bool:
        """Take so much, whatever there is; False when it was not there."""
        if self.take(units, now_ns):
            return True
        self.left = 0.0
        return False


SUBSCRIBER_BURST_BYTES = 1 << 20
SUBSCRIBER_BYTES_PER_S = 16 << 10
"""What one peer may send to the subscribe endpoint: 30,000 topics of 33 bytes at once, and 16 KiB a second."""
SUBSCRIBER_BURST_TOPICS = 36_000
SUBSCRIBER_TOPICS_PER_S = 500
"""How many topics that may be: a fifth more than the largest client has. 1 MiB is 170,000 topics of three bytes."""
_SUBSCRIPTION = b"\1"
_SUBSCRIBE_COMMAND = b"SUBSCRIBE"
_IN_NO_TOPIC = bytes(range(0x7F, 0x100))
_STRETCH_BYTES = 1_024
"""A piece as long as this says how dense its neighbourhood is."""


def count_topics(piece: bytes) -> int:
    """How many topics begin in a piece of a subscriber's stream, wherever it is cut: never too few.

    A subscription begins with the byte 1, or is a command with its name in it; no topic has that byte. What is no text
    counts by the byte, since libzmq's table for the bytes that follow a topic's beginning is as wide as they differ.
    """
    odd = len(piece) - len(piece.translate(None, _IN_NO_TOPIC))
    return piece.count(_SUBSCRIPTION) + piece.count(_SUBSCRIBE_COMMAND) + odd


@dataclass(slots=True)
class SubscriberLimit:
    """What one peer has sent to the subscribe endpoint: its bytes as the kernel counts them, and its topics.

    Only libzmq reads these messages, so the topics are those that were seen waiting to be read, which cannot be told of
    an encrypted stream. A stretch that nobody saw is taken to be as dense as the sparser of its two neighbours, so that
    no mixture of long and short topics counts for more than it is.
    """

    volume: Allowance = field(default_factory=lambda: Allowance(SUBSCRIBER_BURST_BYTES, SUBSCRIBER_BYTES_PER_S))
    topics: Allowance = field(default_factory=lambda: Allowance(SUBSCRIBER_BURST_TOPICS, SUBSCRIBER_TOPICS_PER_S))
    _unseen_bytes: int = 0
    _topics_per_byte: float = 0.0

    def spend(self, more_bytes: int, waiting: bytes, now_ns: int) -> bool:
        """Take `more_bytes`, the last of which wait at the end of `waiting`; False when no client needs so much."""
        seen = waiting[max(0, len(waiting) - more_bytes) :]
        topics: float = count_topics(seen)
        self._unseen_bytes += more_bytes - len(seen)
        if len(seen) >= _STRETCH_BYTES:
            density = topics / len(seen)
            topics += self._unseen_bytes * min(density, self._topics_per_byte)
            self._unseen_bytes, self._topics_per_byte = 0, density
        within = self.volume.spend(more_bytes, now_ns)
        return self.topics.spend(topics, now_ns) and within


class Admission(Enum):
    """What becomes of a message at the request endpoint."""

    ADMIT = auto()
    DROP = auto()
    CUT = auto()
    """Dropped, and its sender goes on and on: end the connection."""


class _Asker(msgspec.Struct, array_like=True, frozen=True):
    """The beginning of a `symbols.requested`."""

    version: int
    source: str
    seq: int
    published_ns: int
    client: str


_decode_asker = msgspec.msgpack.Decoder(_Asker).decode


@dataclass(slots=True)
class _Connection:
    requests: Allowance = field(default_factory=lambda: Allowance(burst=200, per_s=100))
    messages: Allowance = field(default_factory=lambda: Allowance(burst=20_000, per_s=5_000))
    volume: Allowance = field(default_factory=lambda: Allowance(burst=16 << 20, per_s=4 << 20))
    patience: Allowance = field(default_factory=lambda: Allowance(burst=10_000, per_s=200))
    renewals: Allowance = field(default_factory=lambda: Allowance(burst=2, per_s=1))
    names: set[str] = field(default_factory=set)


class RequestGate:
    """Decides on every message of the request endpoint. `connection` is any number that tells connections apart."""

    def __init__(self, on_client: Callable[[int, str], None] = lambda *_: None) -> None:
        """`on_client` is told each client name of a connection when it comes."""
        self._on_client = on_client
        self._connections: dict[int, _Connection] = {}
        self._all_requests = Allowance(burst=1_000, per_s=500)

    def __len__(self) -> int:
        return len(self._connections)

    def judge(self, connection: int, frame: bytes, now_ns: int) -> Admission:
        """Whether this message is passed on."""
        known = self._connections.get(connection)
        if known is None:
            known = self._connections[connection] = _Connection()
        if self._admits(connection, known, frame, now_ns):
            return Admission.ADMIT
        return Admission.DROP if known.patience.spend(1, now_ns) else Admission.CUT

    def judge_dropped(self, connection: int, now_ns: int) -> Admission:
        """For a message that is dropped whatever it holds: whether its sender has sent too many of them."""
        known = self._connections.setdefault(connection, _Connection())
        return Admission.DROP if known.patience.spend(1, now_ns) else Admission.CUT

    def forget(self, connection: int) -> None:
        """The connection has ended, or its number stands for another one now."""
        self._connections.pop(connection, None)

    def _admits(self, connection: int, known: _Connection, frame: bytes, now_ns: int) -> bool:
        if not known.messages.take(1, now_ns) or not known.volume.take(len(frame), now_ns):
            return False
        if not frame.startswith(_REQUESTED):
            return True
        if not known.requests.take(1, now_ns):
            return False
        name = _name_of(frame)
        if name in known.names:
            return known.renewals.take(1, now_ns) or self._all_requests.take(1, now_ns)
        if len(known.names) >= NAMES_PER_CONNECTION or not self._all_requests.take(1, now_ns):
            return False
        known.names.add(name)
        self._on_client(connection, name)
        return True


def _name_of(frame: bytes) -> str:
    """Who asks; what cannot be read is nobody in particular, and left to the node to count."""
    try:
        return _decode_asker(memoryview(frame)[len(_REQUESTED) :]).client
    except DECODE_ERRORS:
        return ""
