"""Finding a server, in a thread of its own: names, TCP, TLS and the greeting may all take their time."""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import ssl
import threading
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from quotebus.bus.clock import NS_PER_S, now_ns, seconds
from quotebus.bus.transport.nats.access import NatsAccess
from quotebus.bus.transport.nats.protocol import MAX_PAYLOAD_BYTES, PING, Reader, ServerInfo

log = logging.getLogger(__name__)

DIAL_S = 2.0
"""For all of one attempt."""
_PAUSE_S = (0.1, 0.2)
_REFUSED_PAUSE_S = (1.0, 2.0)
"""After a server has said no: it will say so again, and writes each into its log."""
_NOT_SENT_BYTES = 256 << 10
"""What the kernel may hold back: what is in there can no longer be replaced by something newer."""
_CHUNK = 16 << 10


class Connected(NamedTuple):
    """A server that has let us in."""

    socket: socket.socket
    reader: Reader
    server: int


class _NatsRefused(OSError):
    """A server answered, and not with what was wanted."""


class Dialling:
    """Tries the servers in turn until one lets us in, or until it is abandoned."""

    def __init__(
        self,
        access: NatsAccess,
        name: str,
        make_reader: Callable[[], Reader],
        done: Callable[[Connected], None],
        *,
        first: int,
        wait_s: float,
    ) -> None:
        """`done` is called once, in another thread; `first` is the number of the server to begin with."""
        self._access, self._name, self._make_reader, self._done = access, name, make_reader, done
        self._abandoned = threading.Event()
        self._told = ""
        threading.Thread(target=self._run, args=(first, wait_s), name="nats-dial", daemon=True).start()

    def abandon(self) -> None:
        """No longer; an attempt under way ends by itself within its time."""
        self._abandoned.set()

    def _run(self, number: int, wait_s: float) -> None:
        servers, failed, refused = self._access.servers, 0, False
        while not self._abandoned.wait(wait_s):
            number %= len(servers)
            try:
                connected = self._try(number)
            except (OSError, UnicodeError) as error:  # a name that cannot be one is a UnicodeError
                self._tell(
                    f"{servers[number][0]}:{servers[number][1]}: {error}",
                    isinstance(error, (_NatsRefused, ssl.SSLError)),
                )
                refused |= isinstance(error, _NatsRefused)
            else:
                if self._abandoned.is_set():
                    connected.socket.close()
                else:
                    self._done(connected)
                return
            number, failed, wait_s = number + 1, failed + 1, 0.0
            if failed % len(servers) == 0:
                wait_s = random.uniform(*(_REFUSED_PAUSE_S if refused else _PAUSE_S))
                refused = False

    def _tell(self, text: str, warn: bool) -> None:
        """Each reason once in a row: it is repeated ten times a second."""
        if text != self._told:
            self._told = text
            log.log(logging.WARNING if warn else logging.DEBUG, "NATS: no connection to %s", text)

    def _try(self, number: int) -> Connected:
        deadline_ns = now_ns() + seconds(DIAL_S)
        host, port = self._access.servers[number]
        line = socket.create_connection((host, port), timeout=DIAL_S)
        try:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_NOTSENT_LOWAT"):
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _NOT_SENT_BYTES)
            if self._access.tls is not None:
                line.settimeout(_left_s(deadline_ns))
                line = _encrypt(self._access.tls, line, host)
            reader = self._greet(line, deadline_ns)
            line.setblocking(False)
        except BaseException:  # whatever it was, no half-open socket may outlive its attempt
            with contextlib.suppress(OSError):
                line.close()
            raise
        return Connected(line, reader, number)

    def _greet(self, line: socket.socket, deadline_ns: int) -> Reader:
        """INFO in, CONNECT and PING out, PONG in: then the server has taken who we are."""
        reader = self._make_reader()
        said = False
        while not reader.pongs:
            line.settimeout(_left_s(deadline_ns))
            data = line.recv(_CHUNK)
            reader.feed(data, [])
            if reader.errors or reader.broken or not data:
                raise _NatsRefused((reader.errors or [reader.broken or "it closed the connection"])[0])
            if reader.info is not None and not said:
                self._check(reader.info)
                said = True
                line.sendall(b"CONNECT %b\r\n%b" % (msgspec.json.encode(self._options()), PING))
        reader.pongs = 0
        return reader

    def _check(self, info: ServerInfo) -> None:
        if info.ldm:
            raise _NatsRefused("it is about to end")
        if info.tls_required and self._access.tls is None:
            raise _NatsRefused("it requires TLS: tls:// instead of nats://")
        if info.max_payload < MAX_PAYLOAD_BYTES:
            raise _NatsRefused(f"its max_payload is {info.max_payload}, the bus needs {MAX_PAYLOAD_BYTES}")

    def _options(self) -> dict[str, object]:
        """Neither replies to what is said nor headers: the bus has no use for them."""
        access = self._access
        login = {"user": access.user, "pass": access.password} if access.password else {}
        asked = {"verbose": False, "pedantic": False, "echo": True, "headers": False, "protocol": 1, "lang": "python"}
        return {**asked, "name": self._name, "tls_required": access.tls is not None, **login}


def _encrypt(tls: ssl.SSLContext, line: socket.socket, host: str) -> ssl.SSLSocket:
    try:
        return tls.wrap_socket(line, server_hostname=host)
    except ssl.SSLError as error:
        if error.reason == "WRONG_VERSION_NUMBER":
            raise _NatsRefused("it begins in clear: it needs `handshake_first: true`") from None
        raise


def _left_s(deadline_ns: int) -> float:
    left_ns = deadline_ns - now_ns()
    if left_ns <= 0:
        raise TimeoutError("timed out")
    return left_ns / NS_PER_S
