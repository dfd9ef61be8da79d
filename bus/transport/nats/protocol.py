"""The client's half of the NATS protocol: a server's bytes in, frames of the bus out. Pure.

A server announces each message in a line of its own, `MSG subject sid size`, and the lines of a topic repeat: what one
means is looked up, which costs a tenth of reading it. Whatever a server sends, nothing here raises and no more is kept
than one message: what cannot be the protocol is told in `broken`, and the connection must end.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

MAX_HEAD = 4_096
MAX_PAYLOAD_BYTES = 1 << 20
PING, PONG = b"PING\r\n", b"PONG\r\n"
_CRLF = b"\r\n"
_MAX_KNOWN = 65_536
_MAX_KNOWN_HEAD = 512
_SIZE_DIGITS = 7
Judge = Callable[[bytes], bool]
"""Whether a payload is taken."""
FindJudge = Callable[[bytes], Judge | None]
_Head = tuple[bytes, int, Judge | None]


class ServerInfo(msgspec.Struct):
    """What a server says of itself, as far as it matters here."""

    server_name: str = ""
    max_payload: int = 0
    tls_required: bool = False
    ldm: bool = False
    """Lame duck mode: it is about to end, and its clients should leave."""


def parse_info(text: bytes) -> ServerInfo | None:
    """A server's INFO; None when it cannot be read."""
    try:
        return msgspec.json.decode(text, type=ServerInfo)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class Reader:
    """Reads what one server sends. By a subject `to_topic` makes the first bytes of a frame, or nothing for none."""

    def __init__(self, to_topic: Callable[[bytes], bytes], find_judge: FindJudge = lambda _: None) -> None:
        self.pings = 0
        """Not answered yet; whoever answers takes them away."""
        self.pongs = 0
        self.unknown = 0
        """Messages whose subject is no topic's."""
        self.errors: list[str] = []
        self.info: ServerInfo | None = None
        self.broken = ""
        """Why the connection must end: this is not the protocol."""
        self._to_topic, self._find_judge = to_topic, find_judge
        self._known: dict[bytes, _Head] = {}
        self._parts: list[bytes] = []
        self._have = self._need = 0

    def feed(self, data: bytes, frames: list[bytes]) -> None:
        """Take what was received, and append the frames that are complete."""
        self._parts.append(data)
        self._have += len(data)
        if self._have < self._need:
            return
        buffer = data if len(self._parts) == 1 else b"".join(self._parts)
        at, need, known = 0, 0, self._known
        while not self.broken and (end := buffer.find(_CRLF, at, at + MAX_HEAD)) >= 0:
            head = buffer[at:end]
            message = known.get(head) or self._read(head)
            if message is None:
                at = end + 2
                continue
            topic, size, judge = message
            stop = end + 2 + size
            if not buffer.startswith(_CRLF, stop):
                need = stop + 2 - at
                if len(buffer) - at >= need:
                    self.broken = "a message is longer than its size"
                break
            payload = buffer[end + 2 : stop]
            if not topic:
                self.unknown += 1
            elif judge is None or judge(payload):
                frames.append(topic + payload)
            at = stop + 2
        rest = buffer[at:]
        if not need and len(rest) >= MAX_HEAD:
            self.broken = "a line does not end"
        self._parts = [] if self.broken or not rest else [rest]
        self._have, self._need = len(rest), need

    def _read(self, head: bytes) -> _Head | None:
        """Announced message, or None for a line that is complete in itself."""
        verb, _, rest = head.partition(b" ")
        words = rest.split(b" ")
        size = words[-1]
        if verb == b"MSG" and len(words) in (3, 4) and size.isdigit() and len(size) <= _SIZE_DIGITS:
            if int(size) <= MAX_PAYLOAD_BYTES:
                message = (self._to_topic(words[0]), int(size), self._find_judge(words[0]))
                if len(head) <= _MAX_KNOWN_HEAD:
                    if len(self._known) >= _MAX_KNOWN:
                        self._known.clear()
                    self._known[head] = message
                return message
            self.broken = "a message is too large"
        elif verb == b"PING":
            self.pings += 1
        elif verb == b"PONG":
            self.pongs += 1
        elif verb == b"INFO":
            self.info = parse_info(rest)
        elif verb == b"-ERR":
            self.errors.append(rest.decode("latin-1").strip("'"))
        elif verb != b"+OK":
            self.broken = "a line that is none of the protocol's"
        return None
