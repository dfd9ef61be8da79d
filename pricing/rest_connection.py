"""GET requests for JSON with the account's key, one connection, each request bounded in time and size.

Redirects are not followed and proxy variables are ignored: either would carry our key elsewhere. `RestFailed` says in a
few words what was wrong, and holds no secret.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload
from urllib.parse import urlsplit

import msgspec

from quotebus.bus.codec import DECODE_ERRORS
from quotebus.bus.errors import QuotebusError

ReadT = TypeVar("ReadT")
TIMEOUT_S = 4.0
MAX_BODY_BYTES = 16 << 20


class RestFailed(QuotebusError):
    """The request brought no answer that can be used. `status` is the HTTP status, 0 where there was none; names of
    `headers` are in lower case."""

    def __init__(self, why: str, status: int = 0, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.headers = headers or {}


def _watch_nothing(status: int, headers: Mapping[str, str]) -> None:
    """For nobody."""


class RestConnection:
    """One HTTP or HTTPS connection, opened by the first request. `abort` may be called from another thread."""

    def __init__(
        self,
        url: str,
        ca_file: str | None,
        credentials: Callable[[], tuple[str, str]],
        *,
        timeout_s: float = TIMEOUT_S,
        max_body_bytes: int = MAX_BODY_BYTES,
        watch: Callable[[int, Mapping[str, str]], None] = _watch_nothing,
    ) -> None:
        """`timeout_s` bounds each wait for the peer; see `get` for a bound on the whole.

        `watch` is told status and headers of every answer, names in lower case.
        """
        self._credentials, self._watch = credentials, watch
        self._max_body_bytes = max_body_bytes
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "http":
            self._connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
        else:
            context = ssl.create_default_context(cafile=ca_file)
            context.keylog_filename = None  # type: ignore[assignment]
            self._connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)

    def __enter__(self) -> RestConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def abort(self) -> None:
        """Make a request that is under way in another thread fail soon."""
        sock = self._connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    @overload
    def get(self, path: str, *, within_s: float | None = None) -> object: ...

    @overload
    def get(self, path: str, *, within_s: float | None = None, into: type[ReadT]) -> ReadT | None: ...

    def get(self, path: str, *, within_s: float | None = None, into: type[Any] = object) -> object:
        """The answer decoded `into` a type; None for 404. After `within_s` the connection is cut, however slowly bytes
        come.

        Raises RestFailed, OSError, or http.client.HTTPException.
        """
        watchdog = threading.Timer(within_s, self.abort) if within_s is not None else None
        if watchdog is not None:
            watchdog.daemon = True
            watchdog.start()
        try:
            return self._get(path, into)
        finally:
            if watchdog is not None:
                watchdog.cancel()

    def _get(self, path: str, into: type[Any]) -> object:
        key, secret = self._credentials()
        self._connection.request("GET", path, headers={"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret})
        response = self._connection.getresponse()
        headers = {name.lower(): value for name, value in response.headers.items()}
        self._watch(response.status, headers)
        body = response.read(self._max_body_bytes + 1)
        if response.status == http.client.NOT_FOUND:
            return None
        if response.status != http.client.OK:
            raise RestFailed(f"HTTP {response.status}", response.status, headers)
        if len(body) > self._max_body_bytes:
            raise RestFailed(f"an answer of more than {self._max_body_bytes} bytes")
        try:
            decoded: object = msgspec.json.decode(body, type=into)
        except DECODE_ERRORS:
            raise RestFailed("not JSON" if into is object else "of another shape") from None
        return decoded
