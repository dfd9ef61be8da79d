"""A listening socket that can refuse: its port stays ours while connects are refused."""

from __future__ import annotations

import socket

from bus.errors import ConfigError

BACKLOG = 128


class Listener:
    """Listens on a loopback port. ConfigError if the port cannot be had."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = self._bind(port)
        self.port: int = self.sock.getsockname()[1]

    def _bind(self, port: int) -> socket.socket:
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self._host, port))
        except OSError as error:
            sock.close()
            raise ConfigError(f"cannot listen on {self._host} port {port}: {error.strerror}") from None
        sock.setblocking(False)
        return sock

    @property
    def address(self) -> str:
        """host:port, as in a URL."""
        return f"[{self._host}]:{self.port}" if ":" in self._host else f"{self._host}:{self.port}"

    def listen(self) -> None:
        """Accept connects. ConfigError if another program listens here."""
        try:
            self.sock.listen(BACKLOG)
        except OSError as error:
            raise ConfigError(f"cannot listen on {self._host} port {self.port}: {error.strerror}") from None

    def refuse(self) -> None:
        """Refuse connects (ECONNREFUSED) until `listen`: a bound socket that does not listen keeps the port."""
        self.sock.close()
        self.sock = self._bind(self.port)

    def accept(self) -> socket.socket | None:
        """The next client, None if there is none."""
        try:
            sock, _ = self.sock.accept()
        except OSError:
            return None
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
