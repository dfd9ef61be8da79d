"""One client of the REST API: HTTP/1.1 with keep-alive, on the exchange's own loop."""

from __future__ import annotations

import json
import logging
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus

from quotebus.pricing.simulator.http_control import HttpError, parse_request
from quotebus.pricing.simulator.trading.order_session import ORDERS_PATHS
from quotebus.pricing.simulator.trading.rest_api import Reply, RestRequest

IDLE_NS = 60_000_000_000
READ_BYTES = 65_536
MOST_RECEIVED_BYTES = 2 * 1_048_576
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

_log = logging.getLogger(__name__)


def encode_response(status: int, value: object, headers: Mapping[str, str] | None = None) -> bytes:
    """A response that keeps the connection open: bytes are HTML, any other value is JSON; 204 has no body."""
    more = "".join(f"{name}: {text}\r\n" for name, text in (headers or {}).items())
    kind = "text/html" if isinstance(value, bytes) else "application/json"
    body = value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()
    known = status in HTTPStatus._value2member_map_
    phrase = HTTPStatus(status).phrase if known else "Status"
    length = "" if status == HTTPStatus.NO_CONTENT else f"Content-Length: {len(body)}\r\n"
    return f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {kind}\r\n{more}{length}\r\n".encode() + body


class RestClient:
    """One connection. Call `work` when its socket is ready or `deadline_ns` has come; then look at `over`.

    A request for the order stream is not answered here: `upgrade` holds it as it was received, for the exchange to go
    on with the socket.
    """

    def __init__(self, sock: socket.socket, answer: Callable[[RestRequest], Reply], now_ns: int) -> None:
        self.sock = sock
        self.over = False
        self.writing = False
        self.upgrade = b""
        self.deadline_ns = now_ns + IDLE_NS
        self._answer = answer
        self._received = bytearray()
        self._to_send = b""
        self._waiting = b""
        self._silent = False

    def work(self, now_ns: int) -> None:
        """Read, answer and write as far as the socket and the time allow."""
        try:
            self._read()
            self._go_on(now_ns)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.over = True

    def _read(self) -> None:
        with suppress(BlockingIOError, InterruptedError):
            while data := self.sock.recv(READ_BYTES):
                self._received += data
                if len(self._received) > MOST_RECEIVED_BYTES:
                    break
            self.over = True

    def _go_on(self, now_ns: int) -> None:
        if self._waiting and now_ns >= self.deadline_ns:
            self._to_send, self._waiting = self._waiting, b""
            self.deadline_ns = now_ns + IDLE_NS
        elif now_ns >= self.deadline_ns:
            self.over = True
        while not self.over:
            self._write()
            if self._waiting or self._silent or not self._next(now_ns):
                return

    def _write(self) -> None:
        self.writing = bool(self._to_send)
        while self._to_send:
            self._to_send = self._to_send[self.sock.send(self._to_send) :]
        self.writing = False

    def _next(self, now_ns: int) -> bool:
        try:
            request = parse_request(bytes(self._received))
        except HttpError as error:
            with suppress(BlockingIOError):
                self.sock.send(encode_response(error.status, {"code": error.status * 100_000, "message": error.reason}))
            self.over = True
            return False
        if request is None:
            return False
        if request.path in ORDERS_PATHS and request.headers.get("upgrade", "").lower() == "websocket":
            self.upgrade = bytes(self._received)
            return False
        del self._received[: request.size]
        self.deadline_ns = now_ns + IDLE_NS
        reply = self._answer(RestRequest(request.method, request.path, request.query, request.headers, request.body))
        _log.debug("orders: %.16s %.128s: %d", request.method, request.path, reply.status)
        if reply.lost == "rst":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.over = True
        elif reply.lost:
            self._silent = True
        elif reply.delay_ns:
            self._waiting = encode_response(reply.status, reply.value, reply.headers)
            self.deadline_ns = now_ns + reply.delay_ns
        else:
            self._to_send = encode_response(reply.status, reply.value, reply.headers)
        return not self.over
