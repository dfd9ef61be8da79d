"""Opens the upstream socket, off the hot thread, one attempt at a time, each with a deadline.

The name look-up, TCP, TLS and HTTP upgrade happen here and nowhere else, and only when the session commands it. Proxy
variables of the environment are ignored, redirects are refused (they would carry our key elsewhere), and what a peer
may send before the upgrade is limited.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit, urlunsplit

from websocket import (
    WebSocket,
    WebSocketBadStatusException,
    WebSocketConnectionClosedException,
    WebSocketException,
    WebSocketTimeoutException,
)

from quotebus.bus.clock import NS_PER_S, now_ns, seconds, utc_ns
from quotebus.bus.errors import QuotebusError
from quotebus.bus.events import Cause
from quotebus.pricing import faults
from quotebus.pricing.upstream.dial_failed import DialFailed as DialFailed
from quotebus.pricing.upstream.resolver import Resolver
from quotebus.pricing.upstream.upstream_socket import UpstreamSocket

log = logging.getLogger(__name__)
TIMEOUT_S = 5.0
"""For a whole attempt, the look-up of the name included."""
CONNECT_TIMEOUT_S = 2.0
"""For TCP to be accepted by one address: one that is reachable answers in a fraction of it."""
MAX_HANDSHAKE_BYTES = 256 * 1024
KEEP_ALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


@dataclass(frozen=True, slots=True)
class Target:
    """Where to dial, and how messages are encoded there (`msgpack` or `json`)."""

    url: str
    encoding: str
    ca_file: str | None = None


class _TooMuch(QuotebusError, WebSocketException):
    """The peer's handshake exceeds `MAX_HANDSHAKE_BYTES`."""


class _Handshake:
    """The socket during the upgrade: one deadline for all of it, a limit on what arrives, read in large pieces.

    websocket-client reads headers a byte at a time; `rest` is what was read beyond them.
    """

    def __init__(self, sock: socket.socket, deadline_ns: int) -> None:
        self._sock = sock
        self._deadline_ns = deadline_ns
        self._received = 0
        self._piece = b""
        self._at = 0

    @property
    def rest(self) -> bytes:
        return self._piece[self._at :]

    def recv(self, count: int) -> bytes:
        if self._at == len(self._piece):
            self._sock.settimeout(_left_s(self._deadline_ns))
            self._piece, self._at = self._sock.recv(16 * 1024), 0
            self._received += len(self._piece)
            if self._received > MAX_HANDSHAKE_BYTES:
                raise _TooMuch("handshake too large")
        data = self._piece[self._at : self._at + count]
        self._at += len(data)
        return data

    def send(self, data: bytes) -> int:
        self._sock.settimeout(_left_s(self._deadline_ns))
        return self._sock.send(data)

    def gettimeout(self) -> float:
        return TIMEOUT_S

    def settimeout(self, timeout: float | None) -> None:
        """The deadline is ours."""

    def shutdown(self, how: int) -> None:
        self._sock.shutdown(how)

    def close(self) -> None:
        self._sock.close()


class Dialler:
    """One attempt at a time, in its own thread, which calls `report` with the UpstreamSocket or the DialFailed."""

    def __init__(
        self, target: Target, report: Callable[[UpstreamSocket | DialFailed], None], *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._target = target
        self._timeout_s = timeout_s
        self._report = report
        self._thread: threading.Thread | None = None
        self._sock: socket.socket | None = None
        self._abandoned = threading.Event()
        self.host, self._port = host_and_port(target.url)
        self._resolver = Resolver(self.host, self._port)

    def dial(self) -> None:
        """Start an attempt; the previous one must have reported."""
        self._abandoned.clear()
        self._thread = threading.Thread(target=self._run, name="dialler", daemon=True)
        self._thread.start()

    def abandon(self) -> None:
        """Make the attempt that is under way fail soon."""
        self._abandoned.set()
        sock = self._sock
        if sock is not None:
            with contextlib.suppress(OSError):  # not connected yet: the deadline ends it
                sock.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        outcome: UpstreamSocket | DialFailed = DialFailed(Cause.PROTOCOL, detail="the attempt ended unexpectedly")
        address, began_ns = strip_query(self._target.url), now_ns()
        log.debug("dialling %s", address)
        try:
            outcome = self._connect()
        except DialFailed as failure:
            outcome = failure
        finally:  # whatever happens, the session must be told that the dialler is free again
            self._sock = None
            if isinstance(outcome, UpstreamSocket) and self._abandoned.is_set():
                outcome.close()
                outcome = DialFailed(Cause.CONNECT_TIMEOUT, detail="abandoned")
            result = f"failed: {outcome}" if isinstance(outcome, DialFailed) else "connected"
            log.debug("dial of %s after %.3f s: %s", address, (now_ns() - began_ns) / NS_PER_S, result)
            self._report(outcome)

    def _connect(self) -> UpstreamSocket:
        deadline_ns = now_ns() + seconds(self._timeout_s)
        sock = self._open(self.host, self._port, deadline_ns)
        try:
            if urlsplit(self._target.url).scheme == "wss":
                sock = self._wrap(sock, self.host)
            self._sock = sock
            if isinstance(sock, ssl.SSLSocket):
                self._secure(sock, deadline_ns)
            return self._upgrade(sock, deadline_ns)
        except BaseException:  # whatever it was, no half-open socket may outlive its attempt
            sock.close()
            raise

    def _open(self, host: str, port: int, deadline_ns: int) -> socket.socket:
        addresses = self._resolver.resolve()
        failure = DialFailed(Cause.CONNECT_REFUSED, detail=f"{host}:{port}")
        for family, kind, protocol, _, address in addresses:
            if self._abandoned.is_set():
                break
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _keep_alive(sock)
                sock.settimeout(min(CONNECT_TIMEOUT_S, _left_s(deadline_ns)))
                sock.connect(address)
            except TimeoutError:
                sock.close()
                failure = DialFailed(Cause.CONNECT_TIMEOUT, detail=f"{host}:{port}")
            except OSError as error:
                sock.close()
                reset = isinstance(error, ConnectionResetError)  # accepted, and over before connect(2) has returned
                failure = DialFailed(
                    Cause.RESET if reset else Cause.CONNECT_REFUSED, detail=f"{host}:{port}: {error.strerror}"
                )
            else:
                return sock
        raise failure

    def _wrap(self, sock: socket.socket, host: str) -> ssl.SSLSocket:
        try:
            context = ssl.create_default_context(cafile=self._target.ca_file)
            context.keylog_filename = None  # type: ignore[assignment]
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            return context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
        except (OSError, ValueError):
            raise DialFailed(Cause.TLS, detail="unusable certificate authority file or host name") from None

    def _secure(self, sock: ssl.SSLSocket, deadline_ns: int) -> None:
        try:
            sock.settimeout(_left_s(deadline_ns))
            sock.do_handshake()
        except TimeoutError:
            raise DialFailed(Cause.HANDSHAKE_TIMEOUT, detail="TLS") from None
        except ssl.SSLError as error:
            raise DialFailed(Cause.TLS, detail=error.reason or "TLS") from None
        except OSError as error:
            raise DialFailed(Cause.RESET, detail=f"TLS: {error.strerror}") from None

    def _upgrade(self, sock: socket.socket, deadline_ns: int) -> UpstreamSocket:
        handshake = _Handshake(sock, deadline_ns)
        websocket = WebSocket(enable_multithread=False, skip_utf8_validation=True)
        try:
            websocket.connect(  # type: ignore[no-untyped-call]
                self._target.url,
                socket=handshake,
                redirect_limit=0,
                suppress_origin=True,
                header=[f"Content-Type: application/{self._target.encoding}"],
            )
        except WebSocketBadStatusException as error:
            raise _http_failure(error.status_code, error.resp_headers or {}) from None
        except (WebSocketTimeoutException, TimeoutError):
            raise DialFailed(Cause.HANDSHAKE_TIMEOUT) from None
        except _TooMuch:
            raise DialFailed(Cause.TOO_BIG, detail="HTTP headers") from None
        except (WebSocketException, ValueError) as error:
            response = websocket.handshake_response
            if response is not None and 300 <= response.status < 400:
                raise _http_failure(response.status, {}) from None
            cause = Cause.CLOSED if isinstance(error, WebSocketConnectionClosedException) else Cause.PROTOCOL
            raise DialFailed(cause, detail="HTTP upgrade") from None
        except OSError as error:
            raise DialFailed(Cause.RESET, detail=error.strerror or "HTTP upgrade") from None
        return UpstreamSocket(sock, handshake.rest)


def _keep_alive(sock: socket.socket) -> None:
    """Let the kernel find a peer that is gone, where pings do not: after 25 s, by probes that cost the peer nothing."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE.items():
        if hasattr(socket, name):  # as on Linux
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _http_failure(status: int, headers: Mapping[str, str]) -> DialFailed:
    failure = faults.find_by_http_status(status)
    return DialFailed(
        failure.cause,
        for_operator=failure.for_operator,
        detail=f"HTTP {status}",
        retry_after_ns=parse_retry_after_ns(headers.get("retry-after", ""), utc_ns()),
    )


def parse_retry_after_ns(text: str, utc_now_ns: int) -> int:
    """The wait that a `Retry-After` header asks for, in seconds or as a date (RFC 9110, 10.2.3); 0 for none."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text[:9]) * NS_PER_S
    try:
        at_ns = int(parsedate_to_datetime(text).timestamp()) * NS_PER_S
    except (ValueError, OverflowError):
        return 0
    return max(0, at_ns - utc_now_ns)


def host_and_port(url: str) -> tuple[str, int]:
    """Where an address leads."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)


def strip_query(url: str) -> str:
    """An address as it may be logged: without the query and the fragment, which may hold a key."""
    return urlunsplit(urlsplit(url)._replace(query="", fragment=""))


def _left_s(deadline_ns: int) -> float:
    left_s = (deadline_ns - now_ns()) / NS_PER_S
    if left_s <= 0:
        raise TimeoutError
    return left_s
