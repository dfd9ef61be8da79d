"""One accepted socket: bounded writes, reads, and every way to freeze it or to end it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress

from quotebus.pricing.simulator.bandwidth import BandwidthLimit
from quotebus.pricing.simulator.outbox import OutboundFrame, Outbox
from quotebus.pricing.simulator.records import Written
from quotebus.pricing.simulator.tls import Endpoint

ENDING_TIMEOUT_NS = 2_000_000_000
READ_BYTES = 65_536
MOST_READS = 64
MOST_HELD_BYTES = 1_048_576
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ClientSocket:
    """A non-blocking socket, at full speed or with a `bandwidth` limit.

    `on_end(why)` is called once, when it is closed. If the client hung up while it was frozen, `park(socket)` is called
    first: such a socket stays open, so that no FIN is sent.
    """

    def __init__(self, sock: Endpoint, on_end: Callable[[str], None], park: Callable[[Endpoint], None]) -> None:
        self.sock = sock
        self.closed = False
        self.blocked = False
        self.frozen_by = ""
        self.end_by_ns: int | None = None
        self.bandwidth: BandwidthLimit | None = None
        self._on_end = on_end
        self._park = park
        self._outbox = Outbox()
        self._held = bytearray()
        self._why = ""
        self._shut = False

    @property
    def usable(self) -> bool:
        """Whether it is neither closed, nor ending, nor frozen."""
        return not self.closed and self.end_by_ns is None and not self.frozen_by

    @property
    def put_total(self) -> int:
        """The position in the byte stream after everything put so far."""
        return self._outbox.put_total

    def buffered(self) -> int:
        """Bytes put and not yet written."""
        return self._outbox.buffered()

    def put(self, data: bytes, due_ns: int = 0) -> None:
        """Queue bytes, not to be sent before `due_ns`."""
        self._outbox.put(data, due_ns)

    def put_frame(self, data: bytes, records: Sequence[Written], due_ns: int = 0) -> None:
        """Queue one frame, to be reported by `flush`."""
        self._outbox.put_frame(data, records, due_ns)

    def next_ns(self) -> int | None:
        """When `flush` or `expire` has something to do, whatever the client does."""
        times = (self._outbox.next_ns(), self._bandwidth_ns(), None if self.frozen_by else self.end_by_ns)
        return min((time_ns for time_ns in times if time_ns is not None), default=None)

    def _bandwidth_ns(self) -> int | None:
        if self.bandwidth is None or self.blocked or self.closed or not self._outbox.ready(0):
            return None
        return self.bandwidth.next_ns

    def read(self) -> bytes:
        """The bytes that have arrived. Empty while frozen or ending, and when there are none."""
        parts = []
        for _ in range(MOST_READS):
            try:
                data = self.sock.recv(READ_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self._finish("reset by client")
                break
            if not data:
                self._on_client_end()
                break
            parts.append(data)
        data = b"".join(parts)
        if self.frozen_by:
            self._hold(data)
            return b""
        return data if self.end_by_ns is None and not self.closed else b""

    def _hold(self, data: bytes) -> None:
        self._held += data
        if len(self._held) > MOST_HELD_BYTES:
            self.reset("sent too much while frozen")

    def _on_client_end(self) -> None:
        if self.frozen_by:
            self._park(self.sock)
            self._finish("closed by client", parked=True)
        else:
            self._finish(self._why or "closed by client")

    def flush(self, now_ns: int) -> list[OutboundFrame]:
        """Write as much as the socket takes. Returns the frames that are now completely written."""
        frames: list[OutboundFrame] = []
        self.blocked = False
        while not self.closed:
            view = self._outbox.ready(now_ns)
            if self.bandwidth is not None:
                view = view[: self.bandwidth.room(now_ns)]
            if not view:
                break
            try:
                count = self.sock.send(view)
            except (BlockingIOError, InterruptedError):
                self.blocked = True
                break
            except OSError:
                self._finish("reset by client")
                break
            frames += self._outbox.mark_written(count)
            if self.bandwidth is not None:
                self.bandwidth.use(count, now_ns)
        if self.end_by_ns is not None and not self.closed and not self._outbox.buffered():
            self._shut_down()
        return frames

    def _shut_down(self) -> None:
        if not self._shut:
            self._shut = True
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                self._finish(self._why)

    def freeze(self, reason: str, position: int | None = None) -> None:
        """Go half-open: send nothing past `position` of the byte stream, and set aside what arrives."""
        self.frozen_by = reason
        self._outbox.hold(self._outbox.written_total if position is None else position)

    def thaw(self) -> bytes:
        """End the freeze. Returns what the client has sent meanwhile; flush next."""
        self.frozen_by = ""
        self._outbox.hold(None)
        held, self._held = bytes(self._held), bytearray()
        return held

    def end(self, why: str, now_ns: int) -> None:
        """Send what is queued at the next flush, then FIN. The client has two seconds to close."""
        if self.end_by_ns is None and not self.closed:
            self._why = why
            self.end_by_ns = max(now_ns, self._outbox.last_due_ns()) + ENDING_TIMEOUT_NS
            if self.bandwidth is not None:
                self.end_by_ns += self.bandwidth.duration_ns(self._outbox.buffered())

    def expire(self, now_ns: int) -> bool:
        """Reset the connection if its time to end has run out. Returns whether it had."""
        if self.frozen_by or self.end_by_ns is None or now_ns < self.end_by_ns:
            return False
        self.reset(self._why)
        return True

    def cut(self, how: str, now_ns: int) -> None:
        """End it now with `rst` or `fin`, and discard what is queued."""
        self.frozen_by = ""
        self._outbox.hold(None)
        self._outbox.discard()
        if how == "rst":
            self.reset("cut")
        else:
            self.end("cut", now_ns)
            self.flush(now_ns)

    def reset(self, why: str) -> None:
        """End it with RST."""
        if not self.closed:
            with suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._finish(why)

    def close(self, why: str) -> None:
        """Close it now, without waiting for the client."""
        self._finish(self._why or why)

    def _finish(self, why: str, parked: bool = False) -> None:
        if not self.closed:
            self.closed = True
            self._on_end(why)
            if not parked:
                self.sock.close()
