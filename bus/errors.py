"""Errors of the ground floor; every one of ours has this root.

    QuotebusError
    ├── ConfigError            a setting is wrong: one line, exit 78
    │   └── NoInput            the file to be read is not there: one line, exit 66
    ├── BadSymbol              a symbol that cannot be a topic; carries `symbol`
    ├── UndecodableMessage     a peer's message that cannot be read; carries `kind`
    └── MessageTooLarge        ours, refused before sending; carries `size_bytes`, `limit_bytes`

Only the first, second and fourth reach a caller: what a peer sends is counted and dropped, never raised.
"""

from __future__ import annotations

EX_CONFIG = 78
"""Exit status of every program for bad settings, as in BSD sysexits.h."""

EX_NOINPUT = 66
"""Exit status when the file to be read is not there, from the same list."""

EX_IOERR = 74
"""Exit status when a disk refuses, from the same list."""


class QuotebusError(Exception):
    """Root of all errors raised by this project."""


class ConfigError(QuotebusError):
    """A setting or an endpoint cannot be used; the text is one line and holds no secret."""


class NoInput(ConfigError):
    """The file to be read is not there, or there is nothing in it; the text is one line."""


class BadSymbol(QuotebusError, ValueError):
    """A symbol does not fit `[A-Z0-9][A-Z0-9./_-]{0,31}`."""

    def __init__(self, symbol: str) -> None:
        super().__init__(f"not a symbol: {symbol[:40]!r}")
        self.symbol = symbol


class UndecodableMessage(QuotebusError):
    """A bus message cannot be read. `kind` is the counter it belongs to: malformed, version, topic or too_big."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind


class MessageTooLarge(QuotebusError, ValueError):
    """A payload of ours exceeds what peers accept; nothing was sent."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"payload of {size_bytes} bytes exceeds {limit_bytes}")
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
