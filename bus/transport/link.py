"""The thread that owns a client's two sockets; everything it decides is `bus.consumer`'s."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from weakref import WeakSet

import zmq

from bus.clock import NS_PER_MS, NS_PER_S, now_ns, utc_ns
from bus.consumer import Consumer
from bus.events import Counters, Event, Quote, Trade
from bus.feed import Feed
from bus.settings import BusSettings
from bus.transport.coverage import GRACE_NS, Coverage
from bus.transport.sockets import Role, make
from bus.transport.waker import Waker

_BATCH = 256
"""Frames taken under one hold of the lock: about half a millisecond."""
_OUTBOX_BOUND = 10_000
_MONITORED = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED


class Link:
    """Carries a Consumer's frames. `lock` guards the consumer for every other thread."""

    def __init__(self, settings: BusSettings, consumer: Consumer, log: logging.Logger) -> None:
        self.lock = threading.Lock()
        self._changed = threading.Condition(self.lock)
        self._consumer = consumer
        self._settings = settings
        self._log = log
        self._waker = Waker()
        self._closing = False
        self._drain_wanted = self._drain_done = 0
        self._outbox: deque[bytes] = deque()
        # Weak: a feed that nobody iterates any more is gone, and takes nothing.
        self._quote_feeds: WeakSet[Feed[Quote]] = WeakSet()
        self._trade_feeds: WeakSet[Feed[Trade]] = WeakSet()
        self._subscribed: frozenset[bytes] = frozenset()
        self._coverage = Coverage()
        self._send_after_ns = 0
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="bus-client", daemon=True)

    # for other threads

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._waker.wake()

    def close(self) -> None:
        """Send the release, close the sockets, end the feeds."""
        with self.lock:
            self._closing = True
        self.wake()
        self._thread.join(timeout=2)

    def wait(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `done` under the lock, for at most `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: done() or self._closing, timeout_s)

    def drain(self, timeout_s: float) -> bool:
        """Wait until the thread has read all that had been received when this was called."""
        with self._changed:
            self._drain_wanted += 1
            wanted = self._drain_wanted
        self.wake()
        return self.wait(lambda: self._drain_done >= wanted, timeout_s) and not self._closing

    def publish(self, event: Event) -> bool:
        """Queue an event; False when the queue is full. Raises ValueError for one that cannot be sent."""
        with self.lock:
            if len(self._outbox) >= _OUTBOX_BOUND:
                self._dropped += 1
                return False
            self._outbox.append(self._consumer.stamper.frame(event, utc_ns()))
        self.wake()
        return True

    def quote_feed(self, feed: Feed[Quote]) -> Feed[Quote]:
        with self.lock:
            self._quote_feeds.add(feed)
        return feed

    def trade_feed(self, feed: Feed[Trade]) -> Feed[Trade]:
        with self.lock:
            self._trade_feeds.add(feed)
        return feed

    def counters(self) -> dict[str, int]:
        with self.lock:
            return self._count()

    # the thread

    def _run(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._carry(context)
        finally:
            self._waker.close()
            context.destroy()
            with self._changed:
                self._closing = True
                for quote_feed in self._quote_feeds:
                    quote_feed.close()
                for trade_feed in self._trade_feeds:
                    trade_feed.close()
                self._changed.notify_all()

    def _carry(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        subscriber, requester = make(context, Role.SUBSCRIBE), make(context, Role.REQUEST)
        monitor = subscriber.get_monitor_socket(_MONITORED)
        poller = zmq.Poller()
        for readable in (subscriber, requester, monitor, self._waker.fileno()):
            poller.register(readable, zmq.POLLIN)
        with self.lock:
            self._subscribe(subscriber)
        subscriber.connect(self._settings.bus_subscribe_url)
        requester.connect(self._settings.bus_request_url)
        connections = 0
        next_second_ns = now_ns() + NS_PER_S
        self._send_after_ns = now_ns() + GRACE_NS
        while not self._closing:
            ready = dict(poller.poll(self._timeout_ms(next_second_ns)))
            if self._waker.fileno() in ready:
                self._waker.clear()
            if monitor in ready:
                connections = self._watch(monitor, connections)
            if requester in ready:
                self._read_coverage(requester)
            with self._changed:
                self._subscribe(subscriber)
                drain_wanted = self._drain_wanted
            while self._receive(subscriber):
                if now_ns() >= next_second_ns or requester.poll(0):
                    break
            else:
                with self._changed:
                    self._drain_done = drain_wanted
                    self._changed.notify_all()
            if now_ns() >= next_second_ns:
                next_second_ns = now_ns() + NS_PER_S
                self._each_second()
            self._send(requester)
        self._release(requester)
        subscriber.disable_monitor()
        monitor.close(linger=0)
        subscriber.close()
        requester.close()

    def _timeout_ms(self, next_second_ns: int) -> int:
        with self.lock:
            next_request_ns = self._consumer.interest.next_ns()
            if self._outbox or (next_request_ns is not None and next_request_ns <= now_ns()):
                next_request_ns = self._send_after_ns  # it waits for its subscription
        wake_ns = min(next_second_ns, next_request_ns or next_second_ns)
        return max(0, -((now_ns() - wake_ns) // NS_PER_MS))

    def _watch(self, monitor: zmq.Socket[bytes], connections: int) -> int:
        while monitor.poll(0):
            event = int.from_bytes(monitor.recv_multipart()[0][:2], "little")
            with self.lock:
                if event == zmq.EVENT_DISCONNECTED:
                    self._consumer.link_lost()
                elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                    connections += 1
                    if connections > 1:
                        self._consumer.link_restored(now_ns())
        return connections

    def _read_coverage(self, requester: zmq.Socket[bytes]) -> None:
        covered_before = len(self._coverage) > 0
        while requester.poll(0):
            self._coverage.feed(requester.recv())
        if covered_before and not len(self._coverage):
            self._send_after_ns = now_ns() + GRACE_NS

    def _subscribe(self, subscriber: zmq.Socket[bytes]) -> None:
        """Bring the subscriptions in line with the wish; the answer's topic last, so that it proves all others."""
        wanted = self._consumer.topics()
        if wanted is self._subscribed:
            return
        ack_topic = self._consumer.ack_topic()
        for topic in self._subscribed - wanted:
            subscriber.unsubscribe(topic)
        if added := wanted - self._subscribed:
            if self._subscribed:
                subscriber.unsubscribe(ack_topic)
            for topic in added:
                subscriber.subscribe(topic)
            subscriber.subscribe(ack_topic)
        self._subscribed = wanted

    def _receive(self, subscriber: zmq.Socket[bytes]) -> bool:
        """Take one batch; False when the socket was drained."""
        frames: list[bytes] = []
        try:
            for _ in range(_BATCH):
                frames.append(subscriber.recv(zmq.NOBLOCK))  # noqa: PERF401 - the exception ends the loop
        except zmq.Again:
            pass
        if not frames:
            return False
        consumer = self._consumer
        with self._changed:
            heard = consumer.receive(frames, now_ns())
            if heard.quotes:
                for quote_feed in self._quote_feeds:
                    consumer.counters["feed_dropped"] += quote_feed.put(heard.quotes)
            if heard.trades:
                for trade_feed in self._trade_feeds:
                    consumer.counters["feed_dropped"] += trade_feed.put(heard.trades)
            if heard.news:
                self._changed.notify_all()
        return len(frames) == _BATCH

    def _send(self, requester: zmq.Socket[bytes]) -> None:
        if not len(self._coverage) and now_ns() < self._send_after_ns:
            return
        with self.lock:
            frames = list(self._outbox)
            self._outbox.clear()
            request = self._consumer.due(now_ns(), utc_ns())
        if request is not None:
            frames.insert(0, request)
        for frame in frames:
            try:
                requester.send(frame, zmq.NOBLOCK)
            except zmq.Again:
                self._dropped += 1
                continue
            if not self._coverage.covers(frame):
                self._dropped += 1  # no broker hears it: a request will be repeated, anything else is gone

    def _each_second(self) -> None:
        with self.lock:
            notes = (self._consumer.complaint(now_ns()), self._consumer.version_note())
            source = self._consumer.stamper.source
            counters = Counters(program=source.rpartition("-")[0], counters=self._count())
            self._outbox.append(self._consumer.stamper.frame(counters, utc_ns()))
        for note in filter(None, notes):
            self._log.warning("%s", note)

    def _release(self, requester: zmq.Socket[bytes]) -> None:
        """A last, empty request: other clients see the symbols go at once, not when the lease ends."""
        with self.lock:
            if not self._consumer.interest.wish.symbols:
                return
            self._consumer.want([], self._consumer.interest.wish.channels, 0, now_ns())
        self._send_after_ns = 0
        self._send(requester)

    def _count(self) -> dict[str, int]:
        consumer = self._consumer
        return {
            **consumer.counters,
            "lost": consumer.tracker.lost,
            "repeated": consumer.tracker.repeated,
            "send_dropped": self._dropped,
            "send_depth": len(self._outbox),
            "conflated": sum(feed.conflated for feed in self._quote_feeds),
            "feed_depth": sum(map(len, self._quote_feeds)) + sum(map(len, self._trade_feeds)),
        }
