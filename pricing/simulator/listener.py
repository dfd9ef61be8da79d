"""A listening socket that can refuse connects or leave them unanswered, and keeps its port meanwhile."""

from __future__ import annotations

import socket

from quotebus.bus.errors import ConfigError

BACKLOG = 128


class Listener:
    """Listens on a loopback port. ConfigError if the port is not available."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._filling: socket.socket | None = None
        self._filler_address: object = None
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
        """Accept connects. ConfigError if another program listens on this port."""
        self._listen(BACKLOG)

    def _listen(self, backlog: int) -> None:
        try:
            self.sock.listen(backlog)
        except OSError as error:
            raise ConfigError(f"cannot listen on {self._host} port {self.port}: {error.strerror}") from None

    def refuse(self) -> None:
        """Refuse connects (ECONNREFUSED) until `listen`. A bound socket that does not listen keeps the port."""
        self.fill(False)
        self._filler_address = None
        self.sock.close()
        self.sock = self._bind(self.port)

    def black_hole(self) -> None:
        """Leave connects unanswered until `listen` or `refuse`; do not call `accept` meanwhile.

        The accept queue has room for one connection, and one of our own fills it, so Linux drops further SYNs, on
        loopback too. A client that keeps trying gets through after `listen`, when its kernel sends the next SYN.
        """
        self._listen(0)
        self.fill(True)

    def fill(self, fill: bool) -> None:
        """Fill the accept queue of a black hole with a connection of our own, or close that connection."""
        if self._filling is not None:
            self._filling.close()
            self._filling = None
        if fill:
            self._filling = socket.socket(self._family, socket.SOCK_STREAM)
            self._filling.setblocking(False)
            self._filling.connect_ex(self.sock.getsockname())
            self._filler_address = self._filling.getsockname()

    def accept(self) -> socket.socket | None:
        """The next client, None if there is none."""
        while True:
            try:
                sock, peer = self.sock.accept()
            except OSError:
                return None
            if peer == self._filler_address:
                self.fill(False)
                self._filler_address = None
                sock.close()
                continue
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
