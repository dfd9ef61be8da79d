"""HTTP for the control endpoint: one small request per connection, on the same loop as everything else."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from quotebus.bus.errors import QuotebusError

MAX_HEAD_BYTES = 16_384
MAX_BODY_BYTES = 1_048_576
TIMEOUT_NS = 5_000_000_000
READ_BYTES = 65_536


class HttpError(QuotebusError):
    """An HTTP request gets this status and this reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A complete request: `path` without its query, header names in lower case, `size` in bytes including the head."""

    method: str
    path: str
    body: bytes
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int = 0


def parse_request(data: bytes) -> HttpRequest | None:
    """The request in these bytes, None while it is incomplete, HttpError if it is malformed or too long."""
    head, complete, rest = data.partition(b"\r\n\r\n")
    if not complete:
        if len(data) > MAX_HEAD_BYTES:
            raise HttpError(431, "request head too long")
        return None
    start, *lines = head.decode("latin-1").split("\r\n")
    words = start.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise HttpError(400, "not an HTTP request")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "transfer-encoding" in headers:
        raise HttpError(411, "chunked requests are not supported: send a Content-Length")
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or len(length) > 12:
        raise HttpError(400, "bad Content-Length")
    if int(length) > MAX_BODY_BYTES:
        raise HttpError(413, "body too long")
    if len(rest) < int(length):
        return None
    path, _, query = words[1].partition("?")
    size = len(head) + 4 + int(length)
    return HttpRequest(words[0], path, rest[: int(length)], query, headers, size)


def encode_response(status: int, value: object) -> bytes:
    """A JSON response that ends the connection."""
    body = json.dumps(value).encode() + b"\n"
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


RequestHandler = Callable[[HttpRequest], object]


class ControlClient:
    """One control connection: reads one request, writes the answer and ends."""

    def __init__(self, sock: socket.socket, answer: RequestHandler, now_ns: int) -> None:
        self.sock = sock
        self.over = False
        self.writing = False
        self.deadline_ns = now_ns + TIMEOUT_NS
        self._answer = answer
        self._received = bytearray()
        self._to_send = b""

    def work(self) -> None:
        """Read and write as far as the socket allows. Check `over` and `writing` afterwards."""
        try:
            if not self.writing:
                self._read()
            if self.writing:
                self._write()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.over = True

    def _read(self) -> None:
        while not self.writing:
            data = self.sock.recv(READ_BYTES)
            if not data:
                self.over = True
                return
            self._received += data
            try:
                request = parse_request(bytes(self._received))
                if request is not None:
                    self._to_send = encode_response(200, self._answer(request))
                    self.writing = True
            except HttpError as error:
                self._to_send = encode_response(error.status, {"error": error.reason})
                self.writing = True

    def _write(self) -> None:
        while self._to_send:
            self._to_send = self._to_send[self.sock.send(self._to_send) :]
        self.sock.shutdown(socket.SHUT_WR)
        self.over = True
