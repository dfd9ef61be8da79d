"""Tiny scripted servers and one dial at a time."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
import ssl
import threading
from collections.abc import Callable
from queue import Queue

from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.pricing.upstream.dialler import DialFailed, Dialler, Target
from quotebus.pricing.upstream.upstream_socket import UpstreamSocket

Script = Callable[[socket.socket], object]


class Server:
    """Accepts connections and plays one script on each."""

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.accepted = 0
        self.heard = b""
        self._script, self._context = script, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._closing = False
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            sock.settimeout(5)
            self._open.append(sock)
            if self._closing:
                return
            try:
                if self._context is not None:
                    sock = self._context.wrap_socket(sock, server_side=True)
                    self._open.append(sock)
                self._script(sock)
            except OSError:
                sock.close()

    def close(self) -> None:
        self._closing = True
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):  # wrapped in TLS, or gone already
                sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        assert not self._thread.is_alive()
        for sock in (self._listener, *self._open):
            sock.close()


class Attempt:
    """One dial; its outcome and how long it took."""

    def __init__(
        self, url: str, *, ca_file: str | None = None, timeout_s: float = 5, encoding: str = "msgpack"
    ) -> None:
        self._outcomes: Queue[UpstreamSocket | DialFailed] = Queue()
        self.dialler = Dialler(Target(url, encoding, ca_file), self._outcomes.put, timeout_s=timeout_s)
        self._began_ns = now_ns()
        self.dialler.dial()

    def outcome(self) -> UpstreamSocket | DialFailed:
        outcome = self._outcomes.get(timeout=10)
        self.took_s = (now_ns() - self._began_ns) / NS_PER_S
        assert self._outcomes.empty(), "one attempt, one report"
        return outcome

    def failure(self) -> DialFailed:
        outcome = self.outcome()
        assert isinstance(outcome, DialFailed), "it has connected"
        return outcome


def request(sock: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        piece = sock.recv(4096)
        if not piece:
            raise OSError
        data += piece
    return data


def respond(text: str) -> Script:
    def script(sock: socket.socket) -> None:
        request(sock)
        sock.sendall(text.replace("\n", "\r\n").encode())

    return script


def upgrade(extra: bytes = b"", heard: list[bytes] | None = None) -> Script:
    def script(sock: socket.socket) -> None:
        data = request(sock)
        if heard is not None:
            heard.append(data)
        found = re.search(rb"Sec-WebSocket-Key: (\S+)", data)
        assert found
        accept = base64.b64encode(hashlib.sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        head = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        )
        sock.sendall(head + accept + b"\r\n\r\n" + extra)

    return script


def silence(sock: socket.socket) -> None:
    """Accept and say nothing."""


def ws(port: int) -> str:
    return f"ws://127.0.0.1:{port}/v2/iex"
