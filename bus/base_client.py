"""What every client of the bus is, whichever way it waits: a lease, a book, and the answers it gives from them."""

from __future__ import annotations

import logging
import os
import random
import socket
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

from quotebus.bus.book import MAX_AGE_NS, Reasons, Unusable, Verdict
from quotebus.bus.clock import now_ns, seconds
from quotebus.bus.consumer import Consumer
from quotebus.bus.events import ConnectionHealth, Counters, ExecutionDecision, Quote, RecorderHealth, TradeIntent
from quotebus.bus.interest import DEFAULT_TTL_MS, SymbolResult
from quotebus.bus.protocol import CHANNELS, MAX_SYMBOLS
from quotebus.bus.sequence import source_name
from quotebus.bus.settings import CLIENT_NAME, BusSettings
from quotebus.bus.transport.client_sockets import ClientSockets

FEED_BOUND = 10_000
_DRAIN_S = 0.1

SocketsT = TypeVar("SocketsT", bound=ClientSockets)


def default_name() -> str:
    """`<program>-<host>-<pid>`, in the characters a client name may have."""
    program = Path(sys.argv[0] or "python").stem or "python"
    raw = f"{program}-{socket.gethostname()}-{os.getpid()}"
    return "".join(c if CLIENT_NAME.match(c) else "_" for c in raw)[-64:]


def as_list(symbols: Iterable[str] | str) -> list[str]:
    """One symbol or several, as a list."""
    return [symbols] if isinstance(symbols, str) else list(symbols)


class BaseClient(ABC, Generic[SocketsT]):
    """One lease on the bus, renewed in the background until closed. Subclasses add what has to wait."""

    def __init__(
        self,
        settings: BusSettings | None = None,
        *,
        name: str | None = None,
        ttl_s: float = DEFAULT_TTL_MS / 1000,
        max_age_s: float = MAX_AGE_NS / 1e9,
        replayed: bool = False,
    ) -> None:
        """Connect in the background. `ttl_s`: how long the lease outlives this process. Raises ValueError.

        With `replayed` it follows a replay and nothing live, and the time is the replay's.
        """
        self.name = name or default_name()
        if not CLIENT_NAME.match(self.name):
            raise ValueError(f"not a client name: {self.name[:70]!r}")
        source = source_name(self.name.partition("-")[0][:40], random.getrandbits(24))
        self._consumer = Consumer(
            self.name,
            source,
            jitter=random.random(),
            max_age_ns=seconds(max_age_s),
            ttl_ms=int(ttl_s * 1000),
            replayed=replayed,
        )
        self._asking = threading.Lock()
        self._priority = 0
        self._channels: tuple[str, ...] = ("quotes",)
        self._sockets = self._connect(
            settings or BusSettings(), self._consumer, logging.getLogger("quotebus.bus.client")
        )

    @abstractmethod
    def _connect(self, settings: BusSettings, consumer: Consumer, log: logging.Logger) -> SocketsT:
        """The sockets that carries this client, started if it can be."""

    # interest

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of the last request, as accepted."""
        with self._sockets.lock:
            return self._consumer.interest.wanted.symbols

    def results(self) -> dict[str, SymbolResult]:
        """The newest answer for every symbol of the last request, refused ones too."""
        with self._sockets.lock:
            return self._consumer.interest.all_results()

    def _replace(self, symbols: list[str], channels: Iterable[str], priority: int) -> None:
        """Ask for these symbols and no others. Raises ValueError for bad arguments, and then changes nothing."""
        wanted_channels = tuple(channels)
        if not wanted_channels or any(channel not in CHANNELS for channel in wanted_channels):
            raise ValueError(f"channels must be some of {CHANNELS}")
        if not -128 <= priority <= 127:
            raise ValueError("priority must be within -128..127")
        if len({symbol.strip().upper() for symbol in symbols}) > MAX_SYMBOLS:
            raise ValueError(f"at most {MAX_SYMBOLS} symbols")
        self._channels, self._priority = wanted_channels, priority
        with self._sockets.lock:
            self._consumer.request(symbols, wanted_channels, priority, now_ns())
        self._sockets.wake()

    def _add(self, symbols: Iterable[str] | str) -> None:
        self._replace([*self.symbols, *as_list(symbols)], self._channels, self._priority)

    def _discard(self, symbols: Iterable[str] | str) -> None:
        gone = {symbol.strip().upper() for symbol in as_list(symbols)}
        self._replace([symbol for symbol in self.symbols if symbol not in gone], self._channels, self._priority)

    # prices

    def last_quote(self, symbol: str) -> Quote | None:
        """The newest quote held, for display; whether it may be used is `usable`'s to say."""
        with self._sockets.lock:
            return self._consumer.book.quotes.get(symbol.upper())

    def usable(self, symbol: str, at_ns: int | None = None) -> bool:
        """Whether the held price may be used at `at_ns` (`bus.clock.now_ns`, default now; a replay's own time)."""
        return self.assess(symbol, at_ns).usable

    def assess(self, symbol: str, at_ns: int | None = None) -> Verdict:
        """The judgement on the held price with every reason against it.

        First everything already received is read, so that the judgement is not made on what a queue hides.
        """
        drained = self._sockets.drain(_DRAIN_S)
        symbol = symbol.upper()
        with self._sockets.lock:
            at_ns = self._consumer.time_ns(now_ns()) if at_ns is None else at_ns
            verdict = self._consumer.book.assess(symbol, at_ns)
            extra: list[Unusable] = []
            if symbol not in self._consumer.interest.results:
                extra.append(Unusable.NOT_REQUESTED)
            elif not self._consumer.confirmed:
                extra.append(Unusable.UNCONFIRMED)
            if not drained:
                extra.append(Unusable.READER_BEHIND)
        return replace(verdict, reasons=Reasons((*extra, *verdict.reasons))) if extra else verdict

    # state

    def health(self) -> ConnectionHealth | None:
        """The newest health of the active pricing node; `is_connected` says whether it is fresh."""
        with self._sockets.lock:
            return self._consumer.book.health

    def status(self, symbol: str) -> SymbolResult | None:
        """The newest answer for one symbol; None when it is not asked for."""
        with self._sockets.lock:
            return self._consumer.interest.all_results().get(symbol.upper())

    @property
    def is_connected(self) -> bool:
        """Whether the upstream line is streaming and its health was heard within three seconds."""
        with self._sockets.lock:
            return self._consumer.book.streaming(self._consumer.time_ns(now_ns()))

    def order_health(self) -> ConnectionHealth | None:
        """The newest health of the account's order stream; None when no node keeps one. See `orders_are_connected`."""
        with self._sockets.lock:
            return self._consumer.order_health

    @property
    def orders_are_connected(self) -> bool:
        """Whether the order stream is streaming and its health was heard within three seconds."""
        with self._sockets.lock:
            return self._consumer.orders_streaming(self._consumer.time_ns(now_ns()))

    @property
    def counters(self) -> dict[str, int]:
        """Messages received, undecodable, lost and so on since the start."""
        return self._sockets.counters()

    def publish(self, event: ExecutionDecision | TradeIntent | Counters | RecorderHealth) -> bool:
        """Send an event; False when it had to be dropped. Raises ValueError for one that cannot be sent at all."""
        if not isinstance(event, (ExecutionDecision, TradeIntent, Counters, RecorderHealth)):
            raise ValueError(f"not for a client to publish: {type(event).__name__}")
        return self._sockets.publish(event)
