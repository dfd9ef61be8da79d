"""A peer that speaks just enough ZMTP to be let in, and then sends whatever a test wants."""

from __future__ import annotations

import contextlib
import socket
from urllib.parse import urlsplit

from quotebus.bus.clock import NS_PER_S, now_ns, seconds

_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01NULL".ljust(3 + 20, b"\0") + bytes(32)
_MORE, _LONG, _COMMAND = 0x01, 0x02, 0x04


class Stranger:
    """One connection to an endpoint as a socket of `kind` (SUB, PUB, XPUB, …)."""

    def __init__(self, url: str, kind: bytes, *, handshake: bool = True) -> None:
        address = urlsplit(url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=10)
        if handshake:
            self.socket.sendall(_GREETING)
            self._take(64)
            ready = b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind
            self.socket.sendall(bytes([_COMMAND, len(ready)]) + ready)
            self._take(self._take(2)[1])

    def send(self, *parts: bytes) -> bool:
        """One message of these parts; False when the other side has hung up."""
        return self.send_raw(b"".join(wire(part, more=number < len(parts)) for number, part in enumerate(parts, 1)))

    def send_raw(self, data: bytes) -> bool:
        """Bytes as they are; False when the other side has hung up."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def is_cut(self, within_s: float) -> bool:
        """Whether the other side hangs up; what it sends meanwhile is read and forgotten."""
        deadline_ns = now_ns() + seconds(within_s)
        try:
            while (left_ns := deadline_ns - now_ns()) > 0:  # heartbeats come all the time
                self.socket.settimeout(left_ns / NS_PER_S)
                if not self.socket.recv(65_536):
                    return True
            return False
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.close()

    def _take(self, count: int) -> bytes:
        taken = b""
        while len(taken) < count:
            more = self.socket.recv(count - len(taken))
            assert more, "hung up on within the handshake"
            taken += more
        return taken


def wire(part: bytes, *, more: bool = False) -> bytes:
    """A message part as ZMTP frames it."""
    flags = _MORE if more else 0
    if len(part) < 256:
        return bytes([flags, len(part)]) + part
    return bytes([flags | _LONG]) + len(part).to_bytes(8, "big") + part
