"""Terminal input as names of keys; a printable character is its own name. Pure."""

from __future__ import annotations

_SEQUENCES = {
    b"\x1b[A": "up", b"\x1bOA": "up", b"\x1b[B": "down", b"\x1bOB": "down", b"\x1b[5~": "pgup", b"\x1b[6~": "pgdn",
    b"\x1b[H": "home", b"\x1bOH": "home", b"\x1b[1~": "home", b"\x1b[F": "end", b"\x1bOF": "end", b"\x1b[4~": "end",
}  # fmt: skip
_SINGLE = {0x0A: "enter", 0x0D: "enter", 0x7F: "backspace", 0x08: "backspace", 0x04: "eof"}


def parse(data: bytes) -> tuple[list[str], bytes]:
    """The keys, and the bytes of an incomplete one. A lone escape byte at the end is the key Esc."""
    keys: list[str] = []
    at = 0
    while at < len(data):
        byte = data[at]
        if byte == 0x1B and at + 1 < len(data):
            known = next((sequence for sequence in _SEQUENCES if data.startswith(sequence, at)), None)
            if known is not None:
                keys.append(_SEQUENCES[known])
                at += len(known)
                continue
            if data[at + 1] in b"[O":  # a key we do not know: skip to its final byte
                end = at + 2
                while end < len(data) and not 0x40 <= data[end] <= 0x7E:
                    end += 1
                if end == len(data):
                    return keys, data[at:] if end - at < 16 else b""
                at = end + 1
                continue
        if byte == 0x1B:
            keys.append("esc")
        elif byte in _SINGLE:
            keys.append(_SINGLE[byte])
        elif 0x20 <= byte < 0x7F:
            keys.append(chr(byte))
        at += 1
    return keys, b""
