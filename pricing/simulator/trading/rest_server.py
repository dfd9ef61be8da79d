"""The REST port on the exchange's loop: accepts clients, serves them, ends the idle ones."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE

from quotebus.bus import clock
from quotebus.pricing.simulator.listener import Listener
from quotebus.pricing.simulator.trading.brokerage import Brokerage
from quotebus.pricing.simulator.trading.rest_client import RestClient

MOST_CLIENTS = 256


class RestServer:
    """Registers its sockets with the selector; call `work_due` once per turn.

    `adopt(socket, received)` takes over a client that asks for the order stream, with the bytes that it has sent.
    """

    def __init__(
        self,
        listener: Listener,
        brokerage: Brokerage,
        selector: selectors.BaseSelector,
        adopt: Callable[[socket.socket, bytes], None],
    ) -> None:
        self._listener = listener
        self._desk = brokerage
        self._selector = selector
        self._adopt = adopt
        self._clients: dict[RestClient, int] = {}
        listener.listen()
        selector.register(listener.sock, EVENT_READ, self._accept)

    @property
    def address(self) -> str:
        """host:port."""
        return self._listener.address

    def next_ns(self) -> int | None:
        """When `work_due` has something to do."""
        return min((client.deadline_ns for client in self._clients), default=None)

    def work_due(self, now_ns: int) -> None:
        """Serve the clients that have something due."""
        for client in [c for c in self._clients if c.deadline_ns <= now_ns]:
            self._work(client)

    def close(self) -> None:
        """Close all sockets."""
        for client in list(self._clients):
            self._end(client)
        self._listener.sock.close()

    def _accept(self) -> None:
        while (sock := self._listener.accept()) is not None:
            if len(self._clients) >= MOST_CLIENTS:
                self._end(next(iter(self._clients)))
            client = RestClient(sock, lambda request: self._desk.answer(request, clock.now_ns()), clock.now_ns())
            self._clients[client] = EVENT_READ
            self._selector.register(sock, EVENT_READ, lambda client=client: self._work(client))

    def _work(self, client: RestClient) -> None:
        if client not in self._clients:
            return
        client.work(clock.now_ns())
        if client.upgrade:
            self._release(client)
            self._adopt(client.sock, client.upgrade)
            return
        wanted = EVENT_READ | EVENT_WRITE if client.writing else EVENT_READ
        if client.over:
            self._end(client)
        elif wanted != self._clients[client]:
            self._clients[client] = wanted
            self._selector.modify(client.sock, wanted, lambda: self._work(client))

    def _end(self, client: RestClient) -> None:
        self._release(client)
        client.sock.close()

    def _release(self, client: RestClient) -> None:
        del self._clients[client]
        self._selector.unregister(client.sock)
