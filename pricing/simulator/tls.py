"""TLS on the market-data port: certificates, and a TLS socket that behaves like a plain non-blocking one."""

from __future__ import annotations

import socket
import ssl
import warnings
from typing import Protocol

from quotebus.bus.errors import ConfigError

RECORD_BYTES = 16_384


class Endpoint(Protocol):
    """What a connection needs of a socket. `recv` and `send` raise BlockingIOError when they would have to wait."""

    def fileno(self) -> int: ...

    def recv(self, size: int, /) -> bytes: ...

    def send(self, data: memoryview, /) -> int: ...

    def shutdown(self, how: int, /) -> None: ...

    def setsockopt(self, level: int, name: int, value: bytes, /) -> None: ...

    def close(self) -> None: ...


class ReplayedSocket:
    """A socket from which some bytes have been read already: the first `recv` returns them again."""

    def __init__(self, sock: socket.socket, received: bytes) -> None:
        self._sock = sock
        self._received = received

    def fileno(self) -> int:
        return self._sock.fileno()

    def recv(self, size: int, /) -> bytes:
        data, self._received = self._received[:size], self._received[size:]
        return data or self._sock.recv(size)

    def send(self, data: memoryview, /) -> int:
        return self._sock.send(data)

    def shutdown(self, how: int, /) -> None:
        self._sock.shutdown(how)

    def setsockopt(self, level: int, name: int, value: bytes, /) -> None:
        self._sock.setsockopt(level, name, value)

    def close(self) -> None:
        self._sock.close()


class TlsSocket:
    """The server's side of TLS on an accepted socket; the first `recv` does the handshake.

    Bytes that a full socket did not take are offered again unchanged, as OpenSSL demands. `send` may therefore report
    more bytes than this call was given, but never more than all calls were given.
    """

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self._sock = sock
        self._offered = b""

    def fileno(self) -> int:
        return self._sock.fileno()

    def recv(self, size: int, /) -> bytes:
        try:
            return self._sock.recv(size)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None

    def send(self, data: memoryview, /) -> int:
        self._offered = self._offered or bytes(data[:RECORD_BYTES])
        try:
            count = self._sock.send(self._offered)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        self._offered = b""
        return count

    def shutdown(self, how: int, /) -> None:
        """Shut down the TCP connection, without a TLS close_notify."""
        self._sock.shutdown(how)

    def setsockopt(self, level: int, name: int, value: bytes, /) -> None:
        self._sock.setsockopt(level, name, value)

    def close(self) -> None:
        self._sock.close()


class Certificates:
    """The certificates of the port: the right one, and a second one for the fault `tls_wrong`."""

    def __init__(self, cert: str, key: str, wrong_cert: str = "", wrong_key: str = "") -> None:
        right, wrong = (cert, key), (wrong_cert or cert, wrong_key or key)
        self.has_wrong = bool(wrong_cert)
        self._contexts = {(is_wrong, False): _context(*(wrong if is_wrong else right)) for is_wrong in (False, True)}
        try:
            self._contexts |= {(is_wrong, True): _old(*(wrong if is_wrong else right)) for is_wrong in (False, True)}
            self.has_old = True
        except (ssl.SSLError, ValueError):
            self.has_old = False

    def wrap(self, sock: socket.socket, is_wrong: bool, is_old: bool) -> TlsSocket | None:
        """A TLS socket around this one. None if the client has hung up already; the socket is closed then."""
        context = self._contexts[is_wrong, is_old]
        try:
            return TlsSocket(context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False))
        except OSError:
            sock.close()
            return None


def _context(cert: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key or None, password="")
    except (OSError, ValueError) as error:
        raise ConfigError(f"TLS: cannot use {cert}: {error}") from None
    return context


def _old(cert: str, key: str) -> ssl.SSLContext:
    """TLS 1.0 only. SSLError or ValueError where the library no longer supports it."""
    context = _context(cert, key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    return context
