"""Data frames made wrong on purpose, byte by byte. Pure."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

from quotebus.pricing.simulator.encoding import BINARY_OPCODE, TEXT_OPCODE
from quotebus.pricing.simulator.records import BadFrame, Marked, Quote, Trade, TradingStatus, Written

FIN, RSV1, MASKED = 0x80, 0x40, 0x80
RESERVED_OPCODE = 3
CLOSE_OPCODE = 8
HUGE = 1 << 40
CHUNK_BYTES = 262_144
CHUNK_INTERVAL_NS = 10_000_000
LONG_HEADER_BYTES = 1_048_576
ENDLESS = ("huge_frame", "huge_message")


def encode_header(first: int, length: int, mask_bit: int = 0) -> bytes:
    """A frame's header with this first byte."""
    if length < 126:
        return struct.pack(">BB", first, mask_bit | length)
    if length < 65_536:
        return struct.pack(">BBH", first, mask_bit | 126, length)
    return struct.pack(">BBQ", first, mask_bit | 127, length)


def encode_bad_frame(
    name: str, opcode: int, payload: bytes, records: Sequence[Written], rng: random.Random
) -> tuple[bytes, Sequence[Written]]:
    """The frame to send instead of a right one with this payload, and the records that the audit file lists for it."""
    if name in ("garbage", "bad_utf8"):
        wrong = _garbage(opcode, len(payload), rng) if name == "garbage" else _spoil_text(payload)
        opcode = opcode if name == "garbage" else TEXT_OPCODE
        return encode_header(FIN | opcode, len(wrong)) + wrong, [BadFrame(len(wrong), name)]
    marked = [mark(record, name) for record in records]
    if name == "masked":
        key = rng.randbytes(4)
        return encode_header(FIN | opcode, len(payload), MASKED) + key + _mask(payload, key), marked
    first = {
        "wrong_opcode": FIN | RESERVED_OPCODE,
        "swapped_opcode": FIN | (BINARY_OPCODE if opcode == TEXT_OPCODE else TEXT_OPCODE),
        "reserved_bits": FIN | RSV1 | opcode,
    }[name]
    return encode_header(first, len(payload)) + payload, marked


def _garbage(opcode: int, length: int, rng: random.Random) -> bytes:
    """Random bytes, never a message: printable in text, in binary beginning with the byte MessagePack never uses."""
    if opcode == TEXT_OPCODE:
        return b"!" + bytes(rng.choices(range(0x21, 0x7F), k=length))
    return b"\xc1" + rng.randbytes(length)


def _spoil_text(payload: bytes) -> bytes:
    """A message that is read as JSON up to a text that is not UTF-8: an object where the real one is, else a list."""
    return b'{"stream":"\xff\xc3\x28"}' if payload[:1] == b"{" else b'[{"T":"q","S":"\xff\xc3\x28"}]'


def _mask(payload: bytes, key: bytes) -> bytes:
    repeated = key * (len(payload) // 4 + 1)
    return bytes(a ^ b for a, b in zip(payload, repeated, strict=False))


def mark(record: Written, fault: str) -> Written:
    """The same record, marked with a fault's name in addition to those that it has."""
    if isinstance(record, Marked):
        return record._replace(fault=f"{record.fault}+{fault}")
    return Marked(record, fault) if isinstance(record, Quote | Trade | TradingStatus) else record


class EndlessFrame:
    """A frame or message without an end: `start` begins it, and `next_chunk` continues it every 10 ms."""

    def __init__(self, name: str, opcode: int, payload: bytes, now_ns: int) -> None:
        self.next_ns = now_ns
        if name == "huge_frame":
            self.start = encode_header(FIN | opcode, HUGE) + payload
            self._chunk = bytes(CHUNK_BYTES)
        else:
            self.start = encode_header(opcode, len(payload)) + payload
            self._chunk = encode_header(0, CHUNK_BYTES) + b" " * CHUNK_BYTES

    def next_chunk(self, now_ns: int, buffered_bytes: int) -> bytes:
        """The bytes to send now: none before `next_ns`, and none while a whole chunk is still queued."""
        if now_ns < self.next_ns:
            return b""
        self.next_ns = now_ns + CHUNK_INTERVAL_NS
        return self._chunk if buffered_bytes < CHUNK_BYTES else b""


def encode_close_frame(code: int) -> bytes:
    """A close frame with this code, legal or not."""
    return encode_header(FIN | CLOSE_OPCODE, 2) + code.to_bytes(2, "big")
