"""The bus for a program that wants prices: declare interest, read quotes, know whether they may be used."""

from __future__ import annotations

import logging
import os
import random
import socket
import sys
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from bus.book import MAX_AGE_NS, Unusable, Verdict
from bus.clock import now_ns, seconds
from bus.consumer import Consumer
from bus.events import (
    CHANNELS,
    MAX_SYMBOLS,
    ConnectionHealth,
    Counters,
    ExecutionDecision,
    Quote,
    RecorderHealth,
    Trade,
    TradeIntent,
)
from bus.feed import Feed
from bus.interest import DEFAULT_TTL_MS, SymbolResult
from bus.sequence import source_name
from bus.settings import CLIENT_NAME, BusSettings
from bus.transport.link import Link

FEED_BOUND = 10_000
_DRAIN_S = 0.1


def default_name() -> str:
    """`<program>-<host>-<pid>`, in the characters a client name may have."""
    program = Path(sys.argv[0] or "python").stem or "python"
    raw = f"{program}-{socket.gethostname()}-{os.getpid()}"
    return "".join(c if CLIENT_NAME.match(c) else "_" for c in raw)[-64:]


class BusClient:
    """One lease on the bus, renewed in the background until closed.

    Nothing here raises because of an upstream state: results, `health` and `assess` say what is the matter. A process
    that needs two priorities opens two clients under two names. All methods may be called from any thread.
    """

    def __init__(
        self,
        settings: BusSettings | None = None,
        *,
        name: str | None = None,
        ttl_s: float = DEFAULT_TTL_MS / 1000,
        max_age_s: float = MAX_AGE_NS / 1e9,
    ) -> None:
        """Connect in the background. `ttl_s`: how long the lease outlives this process. Raises ValueError."""
        self.name = name or default_name()
        if not CLIENT_NAME.match(self.name):
            raise ValueError(f"not a client name: {self.name[:70]!r}")
        source = source_name(self.name.partition("-")[0][:40], random.getrandbits(24))
        self._consumer = Consumer(
            self.name, source, jitter=random.random(), max_age_ns=seconds(max_age_s), ttl_ms=int(ttl_s * 1000)
        )
        self._link = Link(settings or BusSettings(), self._consumer, logging.getLogger("bus.client"))
        self._priority = 0
        self._channels: tuple[str, ...] = ("quotes",)
        self._asking = threading.Lock()
        self._link.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release everything at once and end; returns within a second. May be repeated."""
        self._link.close()

    # interest

    def request(
        self,
        symbols: Iterable[str] | str,
        *,
        channels: Iterable[str] = ("quotes",),
        priority: int = 0,
        wait_s: float = 0,
    ) -> dict[str, SymbolResult]:
        """Make `symbols` (or one) the complete wish of this client and return what is known of each.

        Waits up to `wait_s` until every symbol has a price or an answer that will not change by waiting. A symbol that
        cannot be asked for is refused by name (`bad_symbol`), the others go on. Raises ValueError for bad arguments.
        """
        wanted_channels = tuple(channels)
        if not wanted_channels or any(channel not in CHANNELS for channel in wanted_channels):
            raise ValueError(f"channels must be some of {CHANNELS}")
        if not -128 <= priority <= 127:
            raise ValueError("priority must be within -128..127")
        with self._asking:
            self._channels, self._priority = wanted_channels, priority
            return self._ask([symbols] if isinstance(symbols, str) else list(symbols), wait_s)

    def add(self, symbols: Iterable[str] | str, *, wait_s: float = 0) -> dict[str, SymbolResult]:
        """Add symbols (or one) to the wish; what was asked before stays. Raises ValueError beyond the bound."""
        with self._asking:
            return self._ask([*self.symbols, *([symbols] if isinstance(symbols, str) else symbols)], wait_s)

    def discard(self, symbols: Iterable[str] | str) -> None:
        """Take symbols (or one) out of the wish; other clients' interest in them is untouched."""
        gone = {symbol.strip().upper() for symbol in ([symbols] if isinstance(symbols, str) else symbols)}
        with self._asking:
            self._ask([symbol for symbol in self.symbols if symbol not in gone], 0)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The current wish."""
        with self._link.lock:
            return self._consumer.interest.wish.symbols

    def results(self) -> dict[str, SymbolResult]:
        """The newest answer for every symbol of the last request, refused ones too."""
        with self._link.lock:
            return self._consumer.interest.answer()

    # prices

    def quotes(self, *, conflate: bool = True, bound: int = FEED_BOUND, timeout_s: float | None = None) -> Feed[Quote]:
        """An iterator over quotes from now on; see `Feed`. It ends at `close`, or after `timeout_s` without a quote."""
        return self._link.quote_feed(Feed(conflate=conflate, bound=bound, timeout_s=timeout_s))

    def trades(self, *, bound: int = FEED_BOUND, timeout_s: float | None = None) -> Feed[Trade]:
        """An iterator over trades, never conflated; ask for the `trades` channel."""
        return self._link.trade_feed(Feed(conflate=False, bound=bound, timeout_s=timeout_s))

    def last_quote(self, symbol: str) -> Quote | None:
        """The newest quote held, for display; whether it may be used is `usable`'s to say."""
        with self._link.lock:
            return self._consumer.book.quotes.get(symbol.upper())

    def usable(self, symbol: str, at_ns: int | None = None) -> bool:
        """Whether the held price may be used at `at_ns` (`bus.clock.now_ns`, default now)."""
        return self.assess(symbol, at_ns).usable

    def assess(self, symbol: str, at_ns: int | None = None) -> Verdict:
        """The judgement on the held price with every reason against it.

        First everything already received is read, so that the judgement is not made on what a queue hides.
        """
        drained = self._link.drain(_DRAIN_S)
        symbol = symbol.upper()
        with self._link.lock:
            verdict = self._consumer.book.assess(symbol, now_ns() if at_ns is None else at_ns)
            extra: list[Unusable] = []
            if symbol not in self._consumer.interest.results:
                extra.append(Unusable.NOT_REQUESTED)
            elif not self._consumer.confirmed:
                extra.append(Unusable.UNCONFIRMED)
            if not drained:
                extra.append(Unusable.READER_BEHIND)
        if not extra:
            return verdict
        return replace(verdict, reasons=(*extra, *verdict.reasons))

    # state

    def health(self) -> ConnectionHealth | None:
        """The newest health of the active pricing node; `is_connected` says whether it is fresh."""
        with self._link.lock:
            return self._consumer.book.health

    def status(self, symbol: str) -> SymbolResult | None:
        """The newest answer for one symbol; None when it is not asked for."""
        with self._link.lock:
            return self._consumer.interest.answer().get(symbol.upper())

    @property
    def is_connected(self) -> bool:
        """Whether the upstream line is streaming and its health was heard within three seconds."""
        with self._link.lock:
            return self._consumer.book.streaming(now_ns())

    @property
    def counters(self) -> dict[str, int]:
        """Messages received, undecodable, lost and so on since the start."""
        return self._link.counters()

    def publish(self, event: ExecutionDecision | TradeIntent | Counters | RecorderHealth) -> bool:
        """Send an event; False when it had to be dropped. Raises ValueError for one that cannot be sent at all."""
        if not isinstance(event, (ExecutionDecision, TradeIntent, Counters, RecorderHealth)):
            raise ValueError(f"not for a client to publish: {type(event).__name__}")
        return self._link.publish(event)

    def _ask(self, symbols: list[str], wait_s: float) -> dict[str, SymbolResult]:
        if len({symbol.strip().upper() for symbol in symbols}) > MAX_SYMBOLS:
            raise ValueError(f"at most {MAX_SYMBOLS} symbols")
        with self._link.lock:
            self._consumer.want(symbols, self._channels, self._priority, now_ns())
        self._link.wake()
        self._link.wait(self._consumer.interest.settled, wait_s)
        return self.results()
