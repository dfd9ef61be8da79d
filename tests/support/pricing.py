"""Small makers of what the pricing node reads, and pictures of its tables."""

from __future__ import annotations

import struct
from typing import Any

import msgpack

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import ConnectionState, SymbolsRequested
from quotebus.pricing.session_states import TRANSITIONS

T0 = 1_000 * NS_PER_S
"""Where virtual clocks begin; not 0, so that a forgotten zero shows."""
EXCHANGE_NS = 1_700_000_000 * NS_PER_S


def s(seconds: float) -> int:
    """Seconds as nanoseconds after the beginning of a virtual clock."""
    return T0 + int(seconds * NS_PER_S)


def request(
    client: str = "a",
    symbols: tuple[str, ...] = ("SPY",),
    *,
    seq: int = 1,
    source: str = "",
    published_ns: int = 0,
    request_id: str = "",
    **fields: Any,
) -> SymbolsRequested:
    return SymbolsRequested(
        source=source or f"{client}-source",
        seq=seq,
        published_ns=published_ns or seq,
        client=client,
        request_id=request_id or str(seq),
        symbols=symbols,
        **fields,
    )


def stamp(at_ns: int) -> msgpack.Timestamp:
    """A MessagePack timestamp, in the shortest of its three sizes."""
    return msgpack.Timestamp(*divmod(at_ns, NS_PER_S))


def quote(symbol: str = "SPY", at_ns: int = EXCHANGE_NS, **fields: Any) -> dict[str, Any]:
    """One quote record as Alpaca sends it in MessagePack."""
    return {
        "T": "q", "S": symbol, "bx": "V", "bp": 100.0, "bs": 2.0, "ax": "Q", "ap": 100.1, "as": 3.0, "c": ["R"],
        "z": "C", "t": stamp(at_ns), **fields,
    }  # fmt: skip


def trade(symbol: str = "SPY", at_ns: int = EXCHANGE_NS, **fields: Any) -> dict[str, Any]:
    return {
        "T": "t",
        "S": symbol,
        "i": 7,
        "x": "V",
        "p": 100.05,
        "s": 10.0,
        "c": ["@"],
        "z": "C",
        "t": stamp(at_ns),
        **fields,
    }


def packed(*records: dict[str, Any]) -> bytes:
    """A message of these records, encoded by the reference codec."""
    return msgpack.packb(list(records))


def framed(payload: bytes, opcode: int = 2, *, fin: bool = True, rsv: int = 0, mask: bytes = b"") -> bytes:
    """One WebSocket frame as a server sends it; unmasked unless told otherwise."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    masked = 0x80 if mask else 0
    if len(payload) < 126:
        head = struct.pack(">BB", first, masked | len(payload))
    elif len(payload) < 1 << 16:
        head = struct.pack(">BBH", first, masked | 126, len(payload))
    else:
        head = struct.pack(">BBQ", first, masked | 127, len(payload))
    body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if mask else payload
    return head + mask + body


def session_picture() -> str:
    """The session's table as a Mermaid state diagram, one arrow for each pair of states."""
    lines = ["stateDiagram-v2", f"    [*] --> {ConnectionState.STANDBY}"]
    for state, moves in TRANSITIONS.items():
        signals: dict[str, list[str]] = {}
        for signal, target in moves.items():
            signals.setdefault(target, []).append(signal)
        lines += [f"    {state} --> {target}: {', '.join(names)}" for target, names in signals.items()]
    return "\n".join([*lines, f"    {ConnectionState.STOPPED} --> [*]"])
