"""What a peer sent, escaped for a terminal: no control character gets through. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

_NOT_SAFE = re.compile(r"[^\x00-\x7e]")
MAX_TEXT = 200
"""Longer texts from the bus are cut when shown."""


def clean(text: object, limit: int = MAX_TEXT) -> str:
    """`text` with each unprintable character escaped (`\\x1b`, `\\u202e`), at most `limit` long.

    Printable in Unicode's sense: no controls, no format characters (such as those that change the writing direction),
    no separators except the space, no surrogates, nothing unassigned.
    """
    raw = str(text)
    if len(raw) <= limit and raw.isascii() and raw.isprintable():
        return raw
    shown = "".join(c if c.isprintable() else _escaped(c) for c in raw[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 2] + ".."


def encode_json_line(value: Any) -> str:
    """One line of JSON in ASCII, texts uncut; a NaN or infinity becomes null."""
    try:
        line = msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # a path that is no Unicode
        line = json.dumps(_finite(value), separators=(",", ":"))
    return line if line.isascii() and "\x7f" not in line else _NOT_SAFE.sub(_as_json, line)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _as_json(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1] if found[0] != "\x7f" else "\\u007f"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
