"""Bytes for the reader of the NATS protocol: good ones, damaged ones, cut anywhere; and a slow reader to compare with.

`python -m tests.engines fuzz --times 10000000` counts inputs, each one call of `feed`.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

from quotebus.bus.transport.nats.protocol import MAX_HEAD, MAX_PAYLOAD_BYTES, Reader
from quotebus.bus.transport.nats.subjects import to_subject, to_topic

ROOT = b"quotebus."
TOPICS = (
    b"quote.SPY",
    b"quote.BRK.B",
    b"trade.BTC/USD",
    b"symbols.requested",
    b"symbols.acknowledged.a.b",
    b"health.iex",
)
_MESSAGE = re.compile(rb"MSG ([^ ]*) ([^ ]*) (?:([^ ]*) )?([0-9]{1,7})\Z")
_PIECES = (
    *(
        b"\r\n",
        b"\r",
        b"\n",
        b"MSG ",
        b" ",
        b"PING\r\n",
        b"PONG\r\n",
        b"+OK\r\n",
        b"-ERR 'x'\r\n",
        b"INFO {}\r\n",
        b"INFO {",
    ),
    *(b"9999999", b"99999999", b"-1", b"1_0", b"\x00", b"\xff" * 9, b"quotebus.", b"*", b">"),
)


@dataclass
class Result:
    """What was read."""

    frames: list[bytes] = field(default_factory=list)
    unknown: int = 0
    pings: int = 0
    broken: bool = False


def topic_of(subject: bytes) -> bytes:
    return to_topic(ROOT, subject)


def read_slowly(data: bytes) -> Result:
    """The protocol by its specification, on everything at once."""
    result = Result()
    while True:
        head, ended, rest = data.partition(b"\r\n")
        if not ended or len(head) > MAX_HEAD - 2:
            result.broken |= len(head) > MAX_HEAD - 2 and len(data) >= MAX_HEAD
            return result
        if found := _MESSAGE.match(head):
            size = int(found[4])
            if size > MAX_PAYLOAD_BYTES or (len(rest) >= size + 2 and rest[size : size + 2] != b"\r\n"):
                result.broken = True
                return result
            if len(rest) < size + 2:
                return result
            topic = topic_of(found[1])
            if topic:
                result.frames.append(topic + rest[:size])
            result.unknown += not topic
            rest = rest[size + 2 :]
        elif head.split(b" ")[0] == b"PING":
            result.pings += 1
        elif head.split(b" ")[0] not in (b"PONG", b"INFO", b"-ERR", b"+OK"):
            result.broken = True
            return result
        data = rest


def read_in_pieces(pieces: list[bytes]) -> Result:
    """The same by the reader. AssertionError when it keeps more than it may."""
    reader, frames = Reader(topic_of), list[bytes]()
    longest = max(map(len, pieces), default=0)
    for piece in pieces:
        reader.feed(piece, frames)
        assert sum(map(len, reader._parts)) <= MAX_PAYLOAD_BYTES + MAX_HEAD + longest
        if reader.broken:
            break
    return Result(frames, reader.unknown, reader.pings, bool(reader.broken))


def make_message(rng: random.Random) -> bytes:
    """Something that a server may send."""
    kind = rng.random()
    if kind < 0.2:
        return rng.choice(
            (b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b"-ERR 'Permissions Violation'\r\n", b'INFO {"ldm":1}\r\n')
        )
    subject = to_subject(ROOT, b"node", rng.choice(TOPICS)) if kind < 0.95 else b"quotebus.node.quote.A.B"
    payload = rng.choice((b"", b"\r\n", b"MSG quotebus.node.quote.SPY 1 2\r\nab\r\n", rng.randbytes(rng.randrange(40))))
    reply = b"inbox " if kind < 0.3 else b""
    return b"MSG %b %d %b%d\r\n%b\r\n" % (subject, rng.randrange(100), reply, len(payload), payload)


def damage(rng: random.Random, data: bytes) -> bytes:
    """The same with some bytes gone, doubled, changed or put in."""
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            data = data[:at] + data[at + rng.randrange(1, 6) :]
        elif kind == 1:
            data = data[:at] + rng.choice(_PIECES) + data[at:]
        elif kind == 2:
            data = data[:at] + bytes((rng.randrange(256),)) + data[at + 1 :]
        else:
            data = data[:at] + data[max(0, at - 8) :]
    return data


def cut(rng: random.Random, data: bytes) -> list[bytes]:
    places = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(6)))
    return [data[begin:end] for begin, end in zip([0, *places], [*places, len(data)], strict=True)]


def run(times: int, seed: int = 0) -> tuple[int, int, int]:
    """At least so many inputs: how many, of how many streams, how many of them broken. AssertionError names a case."""
    rng = random.Random(seed)
    inputs = streams = broken = 0
    while inputs < times:
        data = b"".join(make_message(rng) for _ in range(rng.randrange(1, 5)))
        if rng.random() < 0.6:
            data = damage(rng, data)
        if rng.random() < 0.001:
            data += b"MSG " + b"x" * rng.randrange(MAX_HEAD - 10, MAX_HEAD + 10) + rng.choice((b"", b"\r\n"))
        pieces = cut(rng, data)
        found, expected = read_in_pieces(pieces), read_slowly(data)
        assert found == expected, f"{pieces!r}: {found} instead of {expected}"
        inputs, streams, broken = inputs + len(pieces), streams + 1, broken + found.broken
    return inputs, streams, broken
