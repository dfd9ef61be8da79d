"""The selector loop: one thread, non-blocking sockets, asleep while nothing is due."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE
from typing import TextIO

from quotebus.bus import clock
from quotebus.bus.errors import ConfigError
from quotebus.pricing.simulator.audit import Audit
from quotebus.pricing.simulator.client_socket import RESET_ON_CLOSE
from quotebus.pricing.simulator.connection import Connection
from quotebus.pricing.simulator.control_api import ControlApi
from quotebus.pricing.simulator.exchange import Exchange
from quotebus.pricing.simulator.faults import parse_text
from quotebus.pricing.simulator.http_control import ControlClient
from quotebus.pricing.simulator.listener import Listener
from quotebus.pricing.simulator.settings import SimulatorSettings
from quotebus.pricing.simulator.tls import Certificates, Endpoint, ReplayedSocket
from quotebus.pricing.simulator.trading.rest_server import RestServer

MOST_CONTROL_CLIENTS = 32
MOST_CLIENTS = 512
LONGEST_SLEEP_S = 3600.0
"""A selector takes no timeout above some days."""


class Simulator:
    """The exchange simulator. Making it binds the three ports, or raises ConfigError; `run` serves until `stop`."""

    def __init__(self, settings: SimulatorSettings, audit: TextIO | None) -> None:
        self._listener = Listener(settings.host, settings.port)
        rest = Listener(settings.host, settings.rest_port_to_bind())
        self._control = Listener(settings.host, settings.control_port_to_bind())
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._clients: dict[Connection, int] = {}
        self._control_clients: list[ControlClient] = []
        self._stopping = False
        self._mode = ""
        self._certificates = _certificates(settings)
        self.exchange = Exchange(settings, Audit(audit) if audit else None)
        self.exchange.address = self._listener.address
        self.exchange.release = self._forget
        self.exchange.set_listen_mode = self._listen
        if self._certificates is not None:
            self.exchange.scheme = "wss"
        if self._certificates is None or not self._certificates.has_wrong:
            self.exchange.needs["tls_wrong"] = "--tls-wrong-cert"
        if self._certificates is None or not self._certificates.has_old:
            self.exchange.needs["tls_1_0"] = "--tls-cert, and an OpenSSL that still supports TLS 1.0"
        self._api = ControlApi(self.exchange)
        self._rest = RestServer(rest, self.exchange.brokerage, self._selector, self._adopt)
        self._control.listen()
        self._selector.register(self._control.sock, EVENT_READ, self._accept_control)
        self._selector.register(self._wake_read, EVENT_READ, self._drain_wakes)
        self._listener.listen()
        self._selector.register(self._listener.sock, EVENT_READ, self._accept)
        try:
            self.exchange.change_faults(parse_text(settings.faults))
        except ValueError as error:
            raise ConfigError(f"FAULTS: {error}") from None

    @property
    def url(self) -> str:
        """The base URL of market data and order updates."""
        return f"{self.exchange.scheme}://{self._listener.address}"

    @property
    def rest_url(self) -> str:
        """The base URL of the trading REST API."""
        return f"http://{self._rest.address}"

    @property
    def control_address(self) -> str:
        """host:port of the control endpoint."""
        return self._control.address

    def stop(self) -> None:
        """End `run`. May be called from any thread."""
        self._stopping = True
        self._wake_write.send(b"\0")

    def run(self) -> None:
        """Serve until `stop`, then close all sockets."""
        exchange = self.exchange
        try:
            while not self._stopping:
                for key, _ in self._selector.select(self._timeout_s()):
                    exchange.now_ns = clock.now_ns()
                    act: Callable[[], None] = key.data
                    act()
                exchange.now_ns = clock.now_ns()
                self._rest.work_due(exchange.now_ns)
                exchange.turn()
                self._update()
        finally:
            self._close()

    def _timeout_s(self) -> float | None:
        times = [c.deadline_ns for c in self._control_clients]
        times += [due_ns for due_ns in (self.exchange.next_ns(), self._rest.next_ns()) if due_ns is not None]
        if not times:
            return None
        return min(max(0, min(times) - clock.now_ns()) / clock.NS_PER_S, LONGEST_SLEEP_S)

    # Market data.

    def _accept(self) -> None:
        while (sock := self._listener.accept()) is not None:
            if self.exchange.faults.on("reset"):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                sock.close()
                continue
            endpoint = self._secure(sock)
            if endpoint is not None:
                self._add(endpoint)

    def _adopt(self, sock: socket.socket, received: bytes) -> None:
        """Go on with a client of the REST port that asks for the order stream."""
        connection = self._add(ReplayedSocket(sock, received))
        if connection is not None:
            connection.read()

    def _add(self, endpoint: Endpoint) -> Connection | None:
        if len(self._clients) >= MOST_CLIENTS:
            endpoint.close()
            return None
        connection = self.exchange.accept(endpoint)
        self._clients[connection] = EVENT_READ
        self._selector.register(endpoint, EVENT_READ, self._reader(connection))
        return connection

    def _secure(self, sock: socket.socket) -> Endpoint | None:
        if self._certificates is None:
            return sock
        faults = self.exchange.faults
        return self._certificates.wrap(sock, faults.on("tls_wrong"), faults.on("tls_1_0"))

    def _reader(self, connection: Connection) -> Callable[[], None]:
        def act() -> None:
            if connection in self._clients:
                connection.read()

        return act

    def _update(self) -> None:
        for connection, events in self._clients.items():
            wanted = EVENT_READ | EVENT_WRITE if connection.socket.blocked else EVENT_READ
            if wanted != events:
                self._clients[connection] = wanted
                self._selector.modify(connection.socket.sock, wanted, self._reader(connection))
        for client in [c for c in self._control_clients if c.deadline_ns <= self.exchange.now_ns]:
            self._end_control(client)

    def _forget(self, connection: Connection) -> None:
        del self._clients[connection]
        self._selector.unregister(connection.socket.sock)

    def _listen(self, mode: str) -> None:
        """Accept connects (''), `refuse` them, or leave them unanswered (`black_hole`)."""
        if mode == self._mode:
            return
        if not self._mode:
            self._accept()
            self._selector.unregister(self._listener.sock)
        self._mode = mode
        if mode == "refuse":
            self._listener.refuse()
        elif mode:
            self._listener.black_hole()
        else:
            self._listener.listen()
            self._selector.register(self._listener.sock, EVENT_READ, self._accept)

    # Control.

    def _accept_control(self) -> None:
        sock = self._control.accept()
        if sock is None:
            return
        if len(self._control_clients) >= MOST_CONTROL_CLIENTS:
            self._end_control(self._control_clients[0])
        client = ControlClient(sock, self._api.answer, self.exchange.now_ns)
        self._control_clients.append(client)
        self._selector.register(sock, EVENT_READ, lambda: self._work_control(client))

    def _work_control(self, client: ControlClient) -> None:
        if client not in self._control_clients:
            return
        client.work()
        if client.over:
            self._end_control(client)
        elif client.writing:
            self._selector.modify(client.sock, EVENT_WRITE, lambda: self._work_control(client))

    def _end_control(self, client: ControlClient) -> None:
        self._control_clients.remove(client)
        self._selector.unregister(client.sock)
        client.sock.close()

    # The end.

    def _drain_wakes(self) -> None:
        self._wake_read.recv(4096)

    def _close(self) -> None:
        self.exchange.now_ns = clock.now_ns()
        self.exchange.close()
        for client in list(self._control_clients):
            self._end_control(client)
        self._rest.close()
        self._selector.close()
        self._listener.fill(False)
        for sock in (self._listener.sock, self._control.sock, self._wake_read, self._wake_write):
            sock.close()


def _certificates(settings: SimulatorSettings) -> Certificates | None:
    if not settings.tls_cert:
        return None
    return Certificates(settings.tls_cert, settings.tls_key, settings.tls_wrong_cert, settings.tls_wrong_key)
