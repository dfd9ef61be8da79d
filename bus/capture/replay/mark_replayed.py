"""Marks a payload as replayed: its source gets the prefix `replay:`, every other byte stays. Pure."""

from __future__ import annotations

from quotebus.bus.consumer import REPLAYED
from quotebus.bus.errors import UndecodableMessage

_PREFIX = REPLAYED.encode()
_SHORT_STR, _STR8, _STR16, _STR32 = 0xA0, 0xD9, 0xDA, 0xDB
_LENGTH_BYTES = {_STR8: 1, _STR16: 2, _STR32: 4}
_ARRAY_BYTES = {0xDC: 3, 0xDD: 5}


def mark_replayed(payload: bytes) -> bytes:
    """The payload with its source marked; unchanged if it already is. Raises UndecodableMessage.

    Only the array's header, the version (a positive fixint) and the source's header are read; nothing is decoded, and
    only the source's length is encoded again.
    """
    try:
        first = payload[0]
        at = 1 if 0x90 <= first <= 0x9F else _ARRAY_BYTES[first]
        if payload[at] > 0x7F:
            raise UndecodableMessage("version", "not a version")
        at += 1
        header = payload[at]
        if _SHORT_STR <= header <= 0xBF:
            length, start = header & 0x1F, at + 1
        else:
            size = _LENGTH_BYTES[header]
            start = at + 1 + size
            length = int.from_bytes(payload[at + 1 : start])
    except (IndexError, KeyError):
        raise UndecodableMessage("malformed", "no envelope") from None
    if len(payload) - start < length:
        raise UndecodableMessage("malformed", "no envelope")
    if payload.startswith(_PREFIX, start):
        return payload
    return payload[:at] + _encode_str_header(length + len(_PREFIX)) + _PREFIX + payload[start:]


def _encode_str_header(length: int) -> bytes:
    """The shortest MessagePack header of a text of this length."""
    if length < 32:
        return bytes((_SHORT_STR | length,))
    if length < 1 << 8:
        return bytes((_STR8, length))
    if length < 1 << 16:
        return bytes((_STR16,)) + length.to_bytes(2)
    return bytes((_STR32,)) + length.to_bytes(4)
