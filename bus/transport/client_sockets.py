"""A client's two sockets and all that is done with them; a thread or an event loop says when.

Its owner opens it, calls `_turn` whenever something may have come or become due, and closes it. What is
asked, believed and counted is `bus.consumer`'s.
"""

from __future__ import annotations

import logging
import os
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakSet

from quotebus.bus import topics
from quotebus.bus.clock import NS_PER_S, now_ns, utc_ns
from quotebus.bus.consumer import Consumer
from quotebus.bus.events import Counters, Event, OrderUpdate, Quote, Trade
from quotebus.bus.feed import Driver
from quotebus.bus.intent_follower import IntentFollower
from quotebus.bus.settings import BusSettings
from quotebus.bus.tick_queue import TickQueue
from quotebus.bus.transport.line import Engine, News, Publisher, Subscriber
from quotebus.bus.transport.patient_publisher import PatientPublisher

log = logging.getLogger(__name__)

_BATCH = 256
"""Frames taken under one hold of the lock: about half a millisecond."""
_OUTBOX_BOUND = 10_000

QuotesT = TypeVar("QuotesT", bound=TickQueue[Quote])
TradesT = TypeVar("TradesT", bound=TickQueue[Trade])
TicksT = TypeVar("TicksT", bound=TickQueue[Quote | Trade])
OrdersT = TypeVar("OrdersT", bound=TickQueue[OrderUpdate])


def merge_ticks(quotes: list[Quote], trades: list[Trade]) -> list[Quote | Trade]:
    """Those of one batch of frames, as they were published."""
    return sorted([*quotes, *trades], key=lambda tick: tick.published_ns)


class ClientSockets(ABC):
    """Carries a Consumer's frames. `lock` guards the consumer for every other thread."""

    _subscriber: Subscriber
    _requester: PatientPublisher

    def __init__(self, settings: BusSettings, consumer: Consumer) -> None:
        self.lock = threading.RLock()  # a signal's handler may interrupt who holds it, and close the client
        self.owner_pid = os.getpid()
        self._consumer = consumer
        self._name = consumer.interest.client
        self._settings = settings
        self._place = ""
        self._broker_is_there = False
        self._logged_health: tuple[str, ...] = ()
        self._logged_lease: tuple[object, ...] = ("", 0, False)
        self._closing = False
        self._outbox: deque[bytes] = deque()
        self._conflated = 0
        # Weak: a feed that nobody iterates any more is gone, and takes nothing.
        self._quote_feeds: WeakSet[TickQueue[Quote]] = WeakSet()
        self._trade_feeds: WeakSet[TickQueue[Trade]] = WeakSet()
        self._order_feeds: WeakSet[TickQueue[OrderUpdate]] = WeakSet()
        self._tick_feeds: WeakSet[TickQueue[Quote | Trade]] = WeakSet()
        self._followers: list[IntentFollower] = []
        self._subscribed: frozenset[bytes] = frozenset()
        self._connections = 0
        self._next_second_ns = 0
        self._dropped = 0

    # for the client

    @property
    def is_inherited(self) -> bool:
        """Whether this is a forked child's copy: then nothing here may be touched, the lock least of all."""
        return os.getpid() != self.owner_pid

    @property
    def is_closing(self) -> bool:
        """Whether `close` was called, or the end came otherwise."""
        return self._closing

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come: it is closing, or a recording is at its end."""
        return self._closing

    @abstractmethod
    def abandon(self) -> bool:
        """End soon, without waiting: the client is gone. False when there is nothing to end.

        The garbage collector calls this, in any thread and at any point of it, so it takes no lock.
        """

    @abstractmethod
    def wake(self) -> None:
        """Have it done soon: the wanted symbols have changed, or something is to be sent."""

    @abstractmethod
    def drain(self, timeout_s: float) -> bool:
        """Read all that has been received by now; False when that took longer, or when it is closed."""

    def time_ns(self) -> int:
        """The instant to judge and to wait by: nanoseconds since boot, or of the replay."""
        return self._consumer.time_ns(now_ns())

    def publish(self, event: Event) -> bool:
        """Queue an event; False when the queue is full. Raises ValueError for one that cannot be sent."""
        with self.lock:
            if len(self._outbox) >= _OUTBOX_BOUND:
                self._dropped += 1
                return False
            self._outbox.append(self._consumer.stamper.frame(event, utc_ns()))
        self.wake()
        return True

    def add_quote_feed(self, feed: QuotesT) -> QuotesT:
        with self.lock:
            self._quote_feeds.add(feed)
        return feed

    def add_trade_feed(self, feed: TradesT) -> TradesT:
        with self.lock:
            self._trade_feeds.add(feed)
        return feed

    def add_tick_feed(self, feed: TicksT) -> TicksT:
        with self.lock:
            self._tick_feeds.add(feed)
        return feed

    def add_order_feed(self, feed: OrdersT) -> OrdersT:
        with self.lock:
            self._consumer.follow(b"order.")
            self._order_feeds.add(feed)
        self.wake()
        return feed

    @property
    def broker_is_there(self) -> bool:
        """Whether a broker answers at the subscribe endpoint; to be read under the lock."""
        return self._broker_is_there

    def add_follower(self, follower: IntentFollower) -> None:
        """Give it every report about this client's intents, until it is removed."""
        with self.lock:
            self._consumer.follow(topics.prefix(topics.report(self._name)))
            self._followers.append(follower)
        self.wake()

    def remove_follower(self, follower: IntentFollower) -> None:
        with self.lock:
            self._followers.remove(follower)

    def counters(self) -> dict[str, int]:
        with self.lock:
            return self._collect_counters()

    # for the owner of the sockets

    def _ends(self) -> tuple[Subscriber, Publisher]:
        return self._subscriber, self._requester.publisher

    @abstractmethod
    def _notify(self) -> None:
        """Called under the lock: something came that somebody may wait for."""

    def _open(self, engine: Engine) -> None:
        self._place = engine.place
        self._subscriber = engine.subscriber(watched=True)
        with self.lock:
            self._subscribe()
        self._subscriber.connect()
        self._requester = PatientPublisher(engine.requester())
        self._next_second_ns = now_ns() + NS_PER_S

    def _turn(self, until_ns: int) -> bool:
        """Read what has come, at least one batch and at most until `until_ns`, and send what is due.

        False when messages may be waiting still.
        """
        self._watch()
        self._requester.look()
        with self.lock:
            self._subscribe()
        drained = True
        while self._receive():
            if now_ns() >= until_ns or self._gives_way() or self._requester.publisher.has_unread():
                drained = False
                break
        if now_ns() >= self._next_second_ns:
            self._next_second_ns = now_ns() + NS_PER_S
            self._publish_counters()
        self._send()
        return drained

    def _gives_way(self) -> bool:
        """Whether somebody else wants to go on reading: a flood would otherwise be read for a second."""
        return False

    def _next_turn_ns(self) -> int:
        """When the next turn is due though nothing comes."""
        with self.lock:
            next_request_ns = self._consumer.interest.next_ns()
            if self._outbox or (next_request_ns is not None and next_request_ns <= now_ns()):
                next_request_ns = self._requester.grace_ends_ns  # it waits for its subscription
        return min(self._next_second_ns, next_request_ns or self._next_second_ns)

    def _close_sockets(self) -> None:
        self._subscriber.close()
        self._requester.close()

    def _end_feeds(self) -> None:
        """Called under the lock: let every loop over a feed end."""
        for feeds in self._feeds():
            for feed in feeds:
                feed.close()

    def _feeds(self) -> tuple[WeakSet[Any], ...]:
        return self._quote_feeds, self._trade_feeds, self._order_feeds, self._tick_feeds

    def _release(self) -> None:
        """A last, empty request: other clients see the symbols go at once, not when the lease ends."""
        with self.lock:
            if not self._consumer.interest.wanted.symbols:
                return
            self._consumer.request([], self._consumer.interest.wanted.channels, 0, now_ns())
        self._requester.skip_grace()
        self._send()

    def _watch(self) -> None:
        self._consumer.counters["forged"] = self._subscriber.forged
        for news in self._subscriber.news():
            there = news is News.UP
            log.debug("%s: broker %s at %s", self._name, "found" if there else "lost", self._place)
            with self.lock:
                self._broker_is_there = there
                if not there:
                    self._consumer.broker_lost()
                    continue
                self._connections += 1
                if self._connections > 1:
                    self._consumer.broker_restored(now_ns())

    def _subscribe(self) -> None:
        """Subscribe to what is wanted and to nothing else; the answer's topic last, so that it proves all others."""
        wanted = self._consumer.topics()
        if wanted is self._subscribed:
            return
        ack_topic, subscriber = self._consumer.ack_topic(), self._subscriber
        subscriber.unsubscribe(self._subscribed - wanted)
        if added := wanted - self._subscribed:
            if self._subscribed:
                subscriber.unsubscribe((ack_topic,))
            subscriber.subscribe((*added, ack_topic))
        self._subscribed = wanted

    def _receive(self) -> bool:
        """Take one batch; False when the socket was drained."""
        frames = self._subscriber.take(_BATCH)
        if not frames:
            return False
        self._deliver(frames, now_ns())
        return len(frames) == _BATCH

    def _deliver(self, frames: list[bytes], received_ns: int) -> None:
        """Have the consumer read frames, and give what they brought to everybody who waits for it."""
        consumer = self._consumer
        with self.lock:
            heard = consumer.receive(frames, received_ns)
            if heard.quotes:
                for quote_feed in self._quote_feeds:
                    before = quote_feed.conflated
                    consumer.counters["feed_dropped"] += quote_feed.put(heard.quotes)
                    self._conflated += quote_feed.conflated - before
            if heard.trades:
                for trade_feed in self._trade_feeds:
                    consumer.counters["feed_dropped"] += trade_feed.put(heard.trades)
            if self._tick_feeds and (heard.quotes or heard.trades):
                ticks = merge_ticks(heard.quotes, heard.trades)
                for tick_feed in self._tick_feeds:
                    consumer.counters["feed_dropped"] += tick_feed.put(ticks)
            if heard.orders:
                for order_feed in self._order_feeds:
                    consumer.counters["feed_dropped"] += order_feed.put(heard.orders)
            for report in heard.reports:
                for follower in self._followers:
                    follower.on_report(report, received_ns)
            if heard.news or heard.quotes or heard.trades or heard.orders or heard.reports:
                self._notify()
            if heard.news:
                self._log_news()

    def _send(self) -> None:
        if not self._requester.may_send():
            return
        with self.lock:
            frames = list(self._outbox)
            self._outbox.clear()
            request = self._consumer.take_due(now_ns(), utc_ns())
        if request is not None:
            frames.insert(0, request)
            log.debug("%s: asks for %d symbols", self._name, len(self._consumer.interest.wanted.symbols))
        for frame in frames:
            if not (self._requester.send(frame) and self._requester.publisher.covers(frame)):
                self._dropped += 1  # no broker hears it: a request will be repeated, anything else is gone

    def _publish_counters(self) -> None:
        with self.lock:
            place = "" if self._broker_is_there else self._place
            notes = (
                self._consumer.take_warning(now_ns(), no_broker_at=place),
                self._consumer.take_conflict_warning(now_ns()),
                self._consumer.take_version_note(),
                self._consumer.take_absent_note(),
            )
            counters = Counters(program=self._consumer.program, counters=self._collect_counters())
            self._outbox.append(self._consumer.stamper.frame(counters, utc_ns()))
        for note in filter(None, notes):
            log.warning("%s", note)

    def _log_news(self) -> None:
        """Changes of the connection's health and of the lease."""
        health, interest = self._consumer.book.health, self._consumer.interest
        news = () if health is None else (health.node, health.source, health.state, health.cause)
        if news != self._logged_health:
            self._logged_health = news
            log.debug("%s: node %s (%s) is %s (%s)", self._name, *news)
        lease = (interest.answered_by, interest.lease_ms, interest.acknowledged)
        if lease != self._logged_lease:
            self._logged_lease = lease
            log.debug("%s: lease from %s, %d ms, newest request acknowledged: %s", self._name, *lease)

    def _collect_counters(self) -> dict[str, int]:
        consumer = self._consumer
        return {
            **consumer.counters,
            "lost": consumer.tracker.lost,
            "repeated": consumer.tracker.repeated,
            "renumbered": consumer.tracker.renumbered,
            "send_dropped": self._dropped,
            "send_depth": len(self._outbox),
            "conflated": self._conflated,
            "feed_depth": sum(len(feed) for feeds in self._feeds() for feed in feeds),
        }


class BlockingSockets(ClientSockets):
    """What a client needs whose methods block."""

    @property
    def driver(self) -> Driver | None:
        """For feeds whose loop may read the sockets itself."""
        return None

    @abstractmethod
    def wait(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until `done` under the lock, for at most `timeout_s`, or until the end."""

    @abstractmethod
    def close(self) -> None:
        """Send the release, close the sockets, end the feeds."""


class LoopSockets(ClientSockets):
    """What a client needs whose methods are awaited."""

    @abstractmethod
    def start(self) -> None:
        """Connect, in the running loop. Raises RuntimeError when there is none, or when it belongs to another."""

    @abstractmethod
    async def wait(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until `done`, for at most `timeout_s`, or until the end."""

    @abstractmethod
    async def close(self) -> None:
        """End the feeds, send the release, wait a moment for its answer, close the sockets."""
