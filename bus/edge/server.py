"""The edge's server: one client of the bus, and any number of SDKs. Everything is on one event loop.

Each SDK has its own subscriptions, its own queue and its own end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Callable
from http import HTTPStatus
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Protocol, TypeVar

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from quotebus.bus.async_client import AsyncBusClient
from quotebus.bus.edge.connection import SdkConnection, SdkSession
from quotebus.bus.edge.edge_session import Answer, Entry, Message, error_message
from quotebus.bus.edge.formats import MAX_REQUEST_BYTES, choose_format
from quotebus.bus.edge.order_format import choose_order_format
from quotebus.bus.edge.order_relay import OrderRelay
from quotebus.bus.edge.order_session import error as order_error
from quotebus.bus.edge.outbox import SdkOutbox
from quotebus.bus.edge.settings import EdgeSettings
from quotebus.bus.edge.tick_relay import TickRelay
from quotebus.bus.errors import ConfigError
from quotebus.bus.process.readiness import notify_ready

FEEDS = ("iex", "sip", "delayed_sip", "test", "boats", "overnight")
PATHS = {"/": ""} | {f"{version}/{feed}": feed for version in ("", "/v2", "/v1beta1") for feed in FEEDS}
"""What an SDK connects to, and the feed it means; the root means any."""
ORDER_PATH = "/stream"
SEND_BUFFER_BYTES = 256 << 10
"""In the kernel, for each SDK: about 2,000 quotes. Left to itself it grows to megabytes: seconds of old prices."""
COUNTERS = ("connections", "connections_total", "refused", "slow", "errors", "records_sent")
REFUSALS = (406, 409)
FULL = order_error("connection limit exceeded").messages[0]
SessionT = TypeVar("SessionT", bound=SdkSession)
_log = logging.getLogger(__name__)


class Relay(Protocol[SessionT]):
    """What a kind of connection gets from the bus."""

    def update(self, connection: SdkConnection[SessionT]) -> None:
        """What it wants has changed."""

    def remove(self, connection: SdkConnection[SessionT]) -> None:
        """It has gone."""


class EdgeServer:
    """Serves until `stop`. `say` prints a line."""

    def __init__(self, settings: EdgeSettings, say: Callable[[str], None]) -> None:
        self._settings, self._say = settings, say
        self._counters = dict.fromkeys(COUNTERS, 0)
        self._ending = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bus: AsyncBusClient
        self._ticks: TickRelay
        self._orders: OrderRelay

    def stop(self) -> None:
        """End `run`; may be called from a signal handler."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ending.set)

    async def run(self) -> None:
        """Listen, and serve from the bus. Raises ConfigError when the port or the certificate cannot be had."""
        settings, self._loop = self._settings, asyncio.get_running_loop()
        entry = Entry(settings.edge_key.get_secret_value(), settings.edge_secret.get_secret_value())
        async with AsyncBusClient(settings, name=settings.edge_client) as bus:
            self._bus = bus
            self._ticks, self._orders = TickRelay(settings, bus, entry), OrderRelay(bus, entry)
            server = await self._listen()
            pumps = [asyncio.create_task(each) for each in (*self._ticks.tasks(), *self._orders.tasks())]
            ending = asyncio.create_task(self._ending.wait())
            done, _ = await asyncio.wait([ending, *pumps], return_when=asyncio.FIRST_COMPLETED)
            server.close()
            for task in (ending, *pumps):
                task.cancel()
            await server.wait_closed()
            for task in done - {ending}:
                task.result()  # a pump never ends by itself: what ended it is told

    async def _listen(self) -> Server:
        settings = self._settings
        try:
            server = await serve(
                self._serve,
                settings.edge_host,
                settings.edge_port,
                process_request=self._answer_http,
                origins=[None],  # a web page that runs in a browser on this machine is no SDK
                ssl=load_certificate(settings),
                compression=None,
                max_size=MAX_REQUEST_BYTES,
                server_header=None,
            )
        except OSError as error:
            where = f"{settings.edge_host}:{settings.edge_port}"
            raise ConfigError(f"EDGE_PORT: cannot listen on {where}: {error.strerror}") from None
        for listening in server.sockets:  # what is accepted there has the same
            listening.setsockopt(SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_BYTES)
        port = server.sockets[0].getsockname()[1]
        scheme = "wss" if settings.edge_tls_cert else "ws"
        base = f"{scheme}://{settings.edge_host}:{port}"
        notify_ready()
        self._say(f"quotebus edge: {base}/v2/iex and so on, orders {base}{ORDER_PATH}, as {settings.edge_client}")
        return server

    # one SDK

    def _answer_http(self, connection: ServerConnection, request: Request) -> Response | None:
        """Paths that are none of the venue's, and the counters."""
        path = _path(request)
        if path == "/counters":
            return connection.respond(HTTPStatus.OK, json.dumps(self.counters()) + "\n")
        if path not in (*PATHS, ORDER_PATH):
            return connection.respond(HTTPStatus.NOT_FOUND, "no such stream\n")
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        path, kind = _path(socket.request), socket.request.headers.get("Content-Type", "")
        self._counters["connections"] += 1
        self._counters["connections_total"] += 1
        _log.info("%s: connected to %s", socket.remote_address, path)
        is_full = self._counters["connections"] > self._settings.edge_connections
        try:
            if path == ORDER_PATH:
                outbox = SdkOutbox(socket, choose_order_format(kind), self._settings.edge_queue)
                slow = order_error("slow client").messages[0]
                orders = SdkConnection(socket, self._orders.session(is_full=is_full), outbox, slow)
                await self._run(orders, self._orders)
            else:
                outbox = SdkOutbox(socket, choose_format(kind), self._settings.edge_queue)
                session = self._ticks.session(PATHS[path], is_full=is_full)
                await self._run(SdkConnection(socket, session, outbox, error_message(407)), self._ticks)
        finally:
            self._counters["connections"] -= 1

    async def _run(self, connection: SdkConnection[SessionT], relay: Relay[SessionT]) -> None:
        def take(answer: Answer) -> None:
            for message in answer.messages:
                self._count(message)
                connection.outbox.offer(message)
            if answer.changed:
                relay.update(connection)

        try:
            await connection.run(self._settings.edge_auth_s, take, lambda: relay.remove(connection))
        finally:
            self._counters["slow"] += connection.outbox.is_slow
            self._counters["records_sent"] += connection.outbox.sent

    def _count(self, message: Message) -> None:
        self._counters["errors"] += message.get("T") == "error" or message.get("action") == "error"
        self._counters["refused"] += message.get("code") in REFUSALS or message == FULL

    def counters(self) -> dict[str, int]:
        """Since the start; `connections` and `evicted` are now."""
        bus = self._bus.counters
        own = {**self._counters, **self._ticks.counters, **self._orders.counters}
        return {**own, "bus_lost": bus["lost"], "bus_feed_dropped": bus["feed_dropped"]}


def load_certificate(settings: EdgeSettings) -> ssl.SSLContext | None:
    """TLS as the settings say; None without. Raises ConfigError."""
    if not settings.edge_tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.edge_tls_cert, settings.edge_tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"EDGE_TLS_CERT, EDGE_TLS_KEY: {error.strerror or error}") from None
    return context


def _path(request: Request) -> str:
    return request.path.partition("?")[0].rstrip("/") or "/"
