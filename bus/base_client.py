"""What every client of the bus is, whichever way it waits: a lease, a book, and the answers it gives from them."""

from __future__ import annotations

import os
import random
import socket
import sys
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Generic, TypeVar

from quotebus.bus.book import MAX_AGE_NS, MAX_LATE_NS, Verdict
from quotebus.bus.clock import NS_PER_S, now_ns, seconds, utc_ns
from quotebus.bus.consumer import Consumer
from quotebus.bus.errors import ClientClosed, ClientInherited
from quotebus.bus.events import (
    ACCEPTED_CLASSES,
    ConnectionHealth,
    Counters,
    ExecutionDecision,
    FeedClass,
    IntentReport,
    Quote,
    RecorderHealth,
    TradeIntent,
)
from quotebus.bus.execution_result import ExecutionResult
from quotebus.bus.intent_follower import IntentFollower
from quotebus.bus.intent_request import check_seconds, make_intent
from quotebus.bus.interest import DEFAULT_TTL_MS, SymbolResult
from quotebus.bus.judgement import assess, has_arrived, judge_result, judge_results
from quotebus.bus.own_names import make_own, name_program
from quotebus.bus.protocol import CHANNELS, MAX_SYMBOLS
from quotebus.bus.sequence import source_name
from quotebus.bus.settings import CLIENT_NAME, BusSettings
from quotebus.bus.transport.client_sockets import ClientSockets
from quotebus.bus.transport.engines import find_own_name

FEED_BOUND = 10_000
_DRAIN_S = 0.1
END_S = 10.0
"""How long after its deadline the end of an intent is waited for by default: its orders are cancelled by then."""

SocketsT = TypeVar("SocketsT", bound=ClientSockets)


def default_name() -> str:
    """`<program>-<host>-<pid>-<six hex digits>`, in the characters a client name may have.

    Two containers may well agree in all but the digits, which come from the system: a program that seeds `random` is
    no exception.
    """
    program = Path(sys.argv[0] or "python").stem or "python"
    raw = f"{program}-{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"
    return "".join(c if CLIENT_NAME.match(c) else "_" for c in raw)[-64:]


def as_list(symbols: Iterable[str] | str) -> list[str]:
    """One symbol or several, as a list."""
    return [symbols] if isinstance(symbols, str) else list(symbols)


class BaseClient(ABC, Generic[SocketsT]):
    """One lease on the bus, renewed in the background until closed. Subclasses add what has to wait."""

    _carrier: SocketsT | None = None

    def __init__(
        self,
        settings: BusSettings | None = None,
        *,
        name: str | None = None,
        ttl_s: float = DEFAULT_TTL_MS / 1000,
        max_age_s: float = MAX_AGE_NS / 1e9,
        max_late_s: float = MAX_LATE_NS / 1e9,
        replayed: bool = False,
        accept: Collection[str] = ACCEPTED_CLASSES,
    ) -> None:
        """Connect in the background; nothing is asked for yet.

        Args:
            settings: Where the broker is; by default from the environment and `.env`, see `BusSettings`.
            name: The lease's name, `[A-Za-z0-9_.:-]{1,64}`; two running clients need two. Of two with one name the
                first keeps it, the other's prices are `client_conflict`, and both log a warning. By default
                `<program>-<host>-<pid>-<six random hex digits>`.
            ttl_s: How long the lease outlives this process, in seconds; a node clamps it to 1 to 120.
            max_age_s: A quote older than this, in seconds, may not be used.
            max_late_s: Nor one that reached the node so many seconds after, or before, its exchange time: the line is
                behind, or a clock is wrong. Not asked of delayed and indicative feeds.
            replayed: Follow a replay and nothing live; every time is then the replay's.
            accept: The classes of feeds whose prices may be used, as in `ConnectionHealth.feed_class`; by default all
                but `delayed`, `indicative` and `unknown`. Other prices arrive, and are `class_not_accepted`.

        Raises:
            ValueError: `name` cannot be a client name, or `accept` has a word that is no class.
        """
        settings = settings or BusSettings()
        own = find_own_name(settings.bus_address)
        self.name = make_own(own, name or default_name())
        """The name of the lease; where the program has a key, or a user at a NATS server, it begins with that name."""
        if not CLIENT_NAME.match(self.name):
            raise ValueError(f"not a client name: {self.name[:70]!r}")
        if unlisted := set(accept).difference(FeedClass):
            raise ValueError(f"not a class of feeds: {', '.join(sorted(unlisted))[:70]}")
        jitter, life = self._draw()
        source = source_name(own or self.name.partition("-")[0][:40], life)
        self._consumer = Consumer(
            self.name,
            source,
            jitter=jitter,
            max_age_ns=seconds(max_age_s),
            max_late_ns=seconds(max_late_s),
            ttl_ms=int(ttl_s * 1000),
            replayed=replayed,
            accept=accept,
        )
        if own:  # several programs may share it
            self._consumer.program = name_program(own, self.name)
        self._asking = threading.Lock()
        self._priority = 0
        self._channels: tuple[str, ...] = ("quotes",)
        self._carrier = self._connect(settings, self._consumer)

    def _draw(self) -> tuple[float, int]:
        """All that is chance in a client: its place among those that ask again, in [0, 1), and its life's number."""
        return random.random(), int.from_bytes(os.urandom(3))

    def __del__(self) -> None:
        # The sockets know nothing of their client, so that it can be forgotten while they run.
        if self._carrier is not None and self._carrier.abandon():
            text = f"client {self.name} was not closed: use it in a with block, or call close"
            warnings.warn(text, ResourceWarning, stacklevel=2, source=self)

    @abstractmethod
    def _connect(self, settings: BusSettings, consumer: Consumer) -> SocketsT:
        """The sockets of this client, started if they can be."""

    @property
    def _sockets(self) -> SocketsT:
        """Every method goes this way, so that none works on the parent's sockets in a forked child."""
        assert self._carrier is not None
        if self._carrier.is_inherited:
            raise ClientInherited(self.name, self._carrier.owner_pid)
        return self._carrier

    def _open_sockets(self) -> SocketsT:
        """The sockets, for what a closed client cannot do."""
        sockets = self._sockets
        if sockets.is_closing:
            raise ClientClosed(self.name)
        return sockets

    def _inherited(self) -> bool:
        """Whether this is a forked child's copy. Its `close` does nothing, so that a with block ends there in peace."""
        return self._carrier is not None and self._carrier.is_inherited

    # interest

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of the last request, in upper case, without those that are no symbols."""
        with self._sockets.lock:
            return self._consumer.interest.wanted.symbols

    def results(self) -> dict[str, SymbolResult]:
        """What is known of every symbol of the last request, refused ones too.

        Returns:
            By symbol, the newest answer or status, `pending` and not `acknowledged` while there is none. Prices are not
            judged: `status` does that for one symbol.
        """
        with self._sockets.lock:
            return self._consumer.interest.all_results()

    def _judge_results(self) -> dict[str, SymbolResult]:
        """What a request that waited returns: every result with the reasons against its price."""
        with self._sockets.lock:
            return judge_results(self._consumer, self._consumer.time_ns(now_ns()))

    def _replace(self, symbols: list[str], channels: Iterable[str], priority: int) -> None:
        """Ask for these symbols and no others. Raises ValueError for bad arguments, and then changes nothing."""
        sockets = self._open_sockets()
        wanted_channels = tuple(channels)
        if not wanted_channels or any(channel not in CHANNELS for channel in wanted_channels):
            raise ValueError(f"channels must be some of {CHANNELS}")
        if not -128 <= priority <= 127:
            raise ValueError("priority must be within -128..127")
        if len({symbol.strip().upper() for symbol in symbols}) > MAX_SYMBOLS:
            raise ValueError(f"at most {MAX_SYMBOLS} symbols")
        self._channels, self._priority = wanted_channels, priority
        with sockets.lock:
            self._consumer.request(symbols, wanted_channels, priority, now_ns())
        sockets.wake()

    def _add(self, symbols: Iterable[str] | str) -> None:
        self._replace([*self.symbols, *as_list(symbols)], self._channels, self._priority)

    def _all_arrived(self) -> Callable[[], bool]:
        """For a wait: whether no symbol of the last request can gain by waiting, to be called under the lock.

        Each one is looked at until it is usable, or never will be; later ones wait for it, so that a call is cheap.
        """
        missing = list(reversed(self.symbols))

        def all_arrived() -> bool:
            at_ns = self._consumer.time_ns(now_ns())
            while missing and has_arrived(self._consumer, missing[-1], at_ns):
                missing.pop()
            return not missing and self._consumer.interest.acknowledged

        return all_arrived

    def _discard(self, symbols: Iterable[str] | str) -> None:
        gone = {symbol.strip().upper() for symbol in as_list(symbols)}
        self._replace([symbol for symbol in self.symbols if symbol not in gone], self._channels, self._priority)

    # prices

    def last_quote(self, symbol: str) -> Quote | None:
        """The newest quote, for display; whether it may be used is `usable`'s to say.

        Args:
            symbol: In any case, as everywhere.

        Returns:
            The quote; None when the symbol is not asked for, or has none yet.
        """
        with self._sockets.lock:
            return self._consumer.book.quotes.get(symbol.upper())

    def usable(self, symbol: str, at_ns: int | None = None) -> bool:
        """Whether the newest price may be used; `assess` says why not.

        Args:
            symbol: In any case.
            at_ns: The instant to judge at, nanoseconds of `quotebus.now_ns`, or of the replay; by default now.

        Returns:
            True when nothing speaks against the price.
        """
        return self.assess(symbol, at_ns).usable

    def assess(self, symbol: str, at_ns: int | None = None) -> Verdict:
        """The judgement on the newest price, with every reason against it.

        First everything already received is read, for at most 100 ms, so that the judgement is not made on what a
        queue hides; what takes longer is `reader_behind`.

        Args:
            symbol: In any case; one that is not asked for is `not_requested`.
            at_ns: The instant to judge at, nanoseconds of `quotebus.now_ns`, or of the replay; by default now.

        Returns:
            The reasons, and the quote, health and state that were judged. It never raises because of an upstream state.
        """
        drained = self._sockets.drain(_DRAIN_S)
        with self._sockets.lock:
            at_ns = self._consumer.time_ns(now_ns()) if at_ns is None else at_ns
            return assess(self._consumer, symbol.upper(), at_ns, behind=not drained)

    # execution

    def _follow_intent(
        self,
        symbol: str,
        side: str,
        qty: float | Decimal | str,
        *,
        within_s: float,
        urgency: str,
        intent_id: str | None,
        wait_s: float | None,
        answer_s: float,
    ) -> IntentFollower:
        """Begin to follow an intent, which is not sent yet. Raises ValueError for one that cannot be."""
        sockets = self._open_sockets()
        if self._consumer.replayed:
            raise ValueError("a client that follows a replay executes nothing")
        wait_s = within_s + END_S if wait_s is None else wait_s
        intent, amount = make_intent(
            self.name, intent_id or f"{self.name}-{os.urandom(6).hex()}", symbol, side, qty, urgency,
            deadline_ns=utc_ns() + check_seconds("within_s", within_s),
        )  # fmt: skip
        answer_ns, wait_ns = check_seconds("answer_s", answer_s), check_seconds("wait_s", wait_s)
        follower = IntentFollower(intent, amount, now_ns(), answer_ns=answer_ns, wait_ns=wait_ns)
        sockets.add_follower(follower)
        return follower

    def _ask_for(self, follower: IntentFollower) -> float:
        """Send the intent if that is due; for how long, in seconds, a report may be waited for then; 0 at the end."""
        sockets = self._open_sockets()
        with sockets.lock:
            intent = follower.take_due(now_ns())
        if intent is not None:
            sockets.publish(intent)
        with sockets.lock:
            return 0.0 if follower.is_over else max(0.001, (follower.next_ns() - now_ns()) / NS_PER_S)

    def _executed(self, follower: IntentFollower) -> ExecutionResult:
        sockets = self._sockets
        with sockets.lock:
            return follower.result(now_ns(), connected=sockets.broker_is_there)

    # state

    def health(self) -> ConnectionHealth | None:
        """The newest health of the active pricing node; `is_connected` says whether it is fresh.

        Returns:
            The health; None when no node was heard yet.
        """
        with self._sockets.lock:
            return self._consumer.book.health

    def status(self, symbol: str) -> SymbolResult | None:
        """What is known of one symbol.

        Args:
            symbol: In any case.

        Returns:
            The newest answer or status, with the reasons against its price now; None when it is not asked for.
        """
        with self._sockets.lock:
            found = self._consumer.interest.find_result(symbol.upper())
            return found and judge_result(self._consumer, found, self._consumer.time_ns(now_ns()))

    @property
    def is_connected(self) -> bool:
        """Whether the upstream connection is streaming and its health was heard within three seconds."""
        with self._sockets.lock:
            return self._consumer.book.streaming(self._consumer.time_ns(now_ns()))

    def order_health(self) -> ConnectionHealth | None:
        """The newest health of the account's order stream; `orders_are_connected` says whether it is fresh.

        Returns:
            The health; None when no node follows the orders.
        """
        with self._sockets.lock:
            return self._consumer.order_health

    @property
    def orders_are_connected(self) -> bool:
        """Whether the order stream is streaming and its health was heard within three seconds."""
        with self._sockets.lock:
            return self._consumer.orders_streaming(self._consumer.time_ns(now_ns()))

    @property
    def counters(self) -> dict[str, int]:
        """Messages received, undecodable, lost and so on since the start; bus/README.md says what each one counts."""
        return self._sockets.counters()

    def note_counters(self, counters: Mapping[str, int]) -> None:
        """Publish counters of the program together with the client's own, once a second, until they are noted anew.

        Args:
            counters: Counts since the start by name. One of the client's own names replaces what the client counts.

        Raises:
            ClientClosed: The client is closed.
        """
        sockets = self._open_sockets()
        with sockets.lock:
            self._consumer.counters.update(counters)

    def publish(self, event: ExecutionDecision | TradeIntent | IntentReport | Counters | RecorderHealth) -> bool:
        """Send an event. It is numbered and stamped on its way; its `client` or `name` becomes part of the topic.

        Args:
            event: Only these kinds: prices and health are a node's to publish, and the broker lets nothing else in.

        Returns:
            False when it was dropped, since 10,000 others wait.

        Raises:
            ValueError: The event is of another kind, its name cannot be a topic, or it is larger than 1 MiB.
            ClientClosed: The client is closed.
        """
        sockets = self._open_sockets()
        if not isinstance(event, (ExecutionDecision, TradeIntent, IntentReport, Counters, RecorderHealth)):
            raise ValueError(f"clients may not publish {type(event).__name__}")
        return sockets.publish(event)
