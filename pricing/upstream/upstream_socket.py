"""An open WebSocket to the upstream, non-blocking: bytes in, messages out, and nothing here ever waits.

The framing is websocket-client's. Only its socket read is replaced, by a buffer that takes everything the kernel has in
one call, which saves three system calls a frame. A partial frame stays in the buffer until the rest arrives; the owner
of the socket watches by its own clock that it does.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator

from websocket import ABNF, WebSocketException
from websocket._abnf import frame_buffer

from quotebus.bus.errors import QuotebusError
from quotebus.bus.events import Cause

READ_BYTES = 256 * 1024
MAX_MESSAGE_BYTES = 16 << 20
"""The longest message, in one frame or in fragments: some 100,000 quotes. Beyond it memory has no bound."""
LARGE_BYTES = 64 * 1024
"""A frame of which at least this much is missing is collected in pieces, which are joined once."""
FRAGMENT_BYTES = 1 << 10
"""What each fragment counts in addition to its content, so that endless empty ones are too big as well."""
MAX_UNSENT_BYTES = 4 << 20
_PLAIN = (0x80 | ABNF.OPCODE_BINARY, 0x80 | ABNF.OPCODE_TEXT)
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class UpstreamLost(QuotebusError):
    """The connection has ended; `cause` says how."""

    def __init__(self, cause: Cause, detail: str = "") -> None:
        super().__init__(f"{cause} {detail}".strip())
        self.cause = cause


def _never(count: int) -> bytes:
    """In place of the library's own read, which our buffer replaces."""
    raise AssertionError(count)


class _NeedMore(QuotebusError):
    """The buffer does not hold the requested bytes yet."""


class _Frames(frame_buffer):
    """The library's frame parser over our buffer, with a limit on the length a frame may claim."""

    def __init__(self) -> None:
        super().__init__(_never, skip_utf8_validation=True)
        self._buffer = b""
        self._at = 0
        self._pieces: list[bytes] = []
        self._missing_bytes = 0

    def feed(self, data: bytes) -> None:
        """Append what was received."""
        if self._missing_bytes > 0:
            self._pieces.append(data)
            self._missing_bytes -= len(data)
            if self._missing_bytes > 0:
                return
            data = b"".join(self._pieces)
            self._pieces.clear()
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0

    @property
    def has_rest(self) -> bool:
        """Whether bytes of an incomplete frame wait."""
        return self._at < len(self._buffer) or self.header is not None or self._missing_bytes > 0

    def next_plain(self) -> bytes | None:
        """The payload of the next frame if it is complete in the buffer and of the plainest kind, otherwise None.

        That is an unmasked, unfragmented data frame below 64 KiB, as nearly all are. It costs a sixth of what the
        general parser takes, which gets everything else.
        """
        buffer, at = self._buffer, self._at
        if len(buffer) < at + 4 or buffer[at] not in _PLAIN or self.header is not None:
            return None
        size, start = buffer[at + 1], at + 2
        if size >= 126:
            if size != 126:
                return None
            size, start = buffer[at + 2] << 8 | buffer[at + 3], at + 4
        end = start + size
        if end > len(buffer):
            return None
        self._at = end
        return buffer[start:end]

    def recv_strict(self, bufsize: int) -> bytes:
        at = self._at
        end = at + bufsize
        missing_bytes = end - len(self._buffer)
        if missing_bytes > 0 or self._missing_bytes > 0:
            if missing_bytes >= LARGE_BYTES and self._missing_bytes <= 0:
                self._pieces.append(self._buffer[at:])
                self._buffer, self._at, self._missing_bytes = b"", 0, missing_bytes
            raise _NeedMore
        self._at = end
        return self._buffer[at:end]

    def recv_length(self) -> None:
        super().recv_length()
        if self.length is not None and self.length > MAX_MESSAGE_BYTES:
            raise UpstreamLost(Cause.TOO_BIG, f"frame header claims {self.length} bytes")


class _Fragments:
    """The fragments of one message until its last one, joined once: adding each to the rest would copy it all again."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._counted_bytes = 0

    @property
    def has_begun(self) -> bool:
        """Whether a message has begun and is not complete."""
        return bool(self._pieces)

    def check(self, opcode: int) -> None:
        """Only a continuation may follow a fragment, and nothing else may be one. Raises UpstreamLost."""
        if (opcode == ABNF.OPCODE_CONT) != self.has_begun:
            raise UpstreamLost(Cause.PROTOCOL, "illegal fragment")

    def add(self, data: bytes, fin: int) -> bytes | None:
        """Take the next fragment. Returns the message after its last one. Raises UpstreamLost."""
        self._counted_bytes += FRAGMENT_BYTES + len(data)
        if self._counted_bytes > MAX_MESSAGE_BYTES:
            raise UpstreamLost(Cause.TOO_BIG, f"fragmented message of more than {MAX_MESSAGE_BYTES} bytes")
        self._pieces.append(data)
        if not fin:
            return None
        whole = b"".join(self._pieces)
        self._pieces.clear()
        self._counted_bytes = 0
        return whole


class UpstreamSocket:
    """One connected upstream socket after HTTP 101. Only the thread that owns it may use it."""

    def __init__(self, sock: socket.socket, already_read: bytes = b"") -> None:
        sock.setblocking(False)
        self._sock = sock
        self._frames = _Frames()
        self._fragments = _Fragments()
        self._unsent = bytearray()
        self._pong = b""
        self._frames.feed(already_read)
        self._unparsed = bool(already_read)

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def is_mid_message(self) -> bool:
        """Whether a frame or a fragmented message has begun and is not complete."""
        return self._frames.has_rest or self._fragments.has_begun

    @property
    def has_unsent(self) -> bool:
        """Whether `flush` should be called when the socket is writable."""
        return bool(self._unsent)

    def fill(self) -> bool:
        """Read what the kernel has, at most READ_BYTES. False when there is nothing. Raises UpstreamLost."""
        if self._unparsed:
            self._unparsed = False
            return True
        try:
            data = self._sock.recv(READ_BYTES)
        except _WOULD_BLOCK:
            return False
        except ConnectionResetError:
            raise UpstreamLost(Cause.RESET) from None
        except TimeoutError:
            raise UpstreamLost(Cause.NO_LIFE, "TCP keep-alive") from None
        except OSError as error:
            raise UpstreamLost(Cause.CLOSED, str(error)) from None
        if not data:
            raise UpstreamLost(Cause.CLOSED)
        self._frames.feed(data)
        return True

    def messages(self) -> Iterator[bytes]:
        """The complete data messages received so far; pings are answered in passing. Raises UpstreamLost."""
        try:
            next_plain = self._frames.next_plain
            while True:
                if not self._fragments.has_begun:
                    while (plain := next_plain()) is not None:
                        yield plain
                frame = self._frames.recv_frame()
                opcode, payload = frame.opcode, frame.data
                if frame.mask_value:
                    raise UpstreamLost(Cause.PROTOCOL, "masked frame")
                assert isinstance(payload, bytes)
                if frame.fin and (opcode == ABNF.OPCODE_BINARY or opcode == ABNF.OPCODE_TEXT):
                    self._fragments.check(opcode)
                    yield payload
                elif opcode == ABNF.OPCODE_PING:
                    self.send(payload, ABNF.OPCODE_PONG)
                elif opcode == ABNF.OPCODE_CLOSE:
                    self.send(payload[:2], ABNF.OPCODE_CLOSE)
                    raise UpstreamLost(Cause.CLOSED, f"close frame {int.from_bytes(payload[:2])}")
                elif opcode == ABNF.OPCODE_PONG:
                    self._pong = payload
                else:
                    self._fragments.check(opcode)
                    whole = self._fragments.add(payload, frame.fin)
                    if whole is not None:
                        yield whole
        except _NeedMore:
            return
        except WebSocketException as error:
            raise UpstreamLost(Cause.PROTOCOL, str(error)[:120]) from None

    def send(self, payload: bytes, opcode: int = ABNF.OPCODE_BINARY) -> None:
        """Queue one message and send as much as the socket accepts. Raises UpstreamLost."""
        self._unsent += ABNF.create_frame(payload, opcode).format()
        if len(self._unsent) > MAX_UNSENT_BYTES:
            raise UpstreamLost(Cause.NO_LIFE, "the upstream does not read")
        self.flush()

    def ping(self, payload: bytes) -> None:
        """Ask for a sign of life; the pong carries the same payload. Raises UpstreamLost."""
        self.send(payload, ABNF.OPCODE_PING)

    def take_pong(self) -> bytes:
        """The payload of the newest pong since the last call, empty if there was none."""
        pong, self._pong = self._pong, b""
        return pong

    def flush(self) -> None:
        """Send what is waiting. Raises UpstreamLost."""
        try:
            while self._unsent:
                del self._unsent[: self._sock.send(self._unsent)]
        except _WOULD_BLOCK:
            return
        except OSError as error:
            raise UpstreamLost(Cause.RESET, str(error)) from None

    def close(self) -> None:
        """Close immediately, without the closing handshake: a half-dead peer would never finish it."""
        with contextlib.suppress(OSError):  # the peer closed first
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
