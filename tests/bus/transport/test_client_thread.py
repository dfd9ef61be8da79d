"""The client's thread, seen by a peer that plays the broker: order of subscriptions, patience, bounds, its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zmq

from quotebus.bus import codec, topics
from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.consumer import Consumer
from quotebus.bus.events import SymbolsRequested
from quotebus.bus.feed import Feed
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport import client_sockets as module
from quotebus.bus.transport.client_thread import ClientThread
from quotebus.bus.transport.zeromq.sockets import Role, bind, make
from tests.support.programs import eventually
from tests.support.samples import INTENT, like

ACK = b"symbols.acknowledged.worker-1\0"


class Peer:
    """Both endpoints of a broker; reads subscriptions as they come and requests once `listen` was called."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._out = make(self._context, Role.PUBLISH)
        self._in = make(self._context, Role.BROKER_REQUEST)
        self.settings = BusSettings(
            bus_subscribe_url=bind(self._out, "tcp://127.0.0.1:0"),
            bus_request_url=bind(self._in, "tcp://127.0.0.1:0"),
            bus_publish_url="tcp://127.0.0.1:1",
            bus_plain_loopback=True,
        )
        self.subscriptions: list[bytes] = []
        self.requests: list[bytes] = []
        self.consumer = Consumer("worker-1", "worker-1-000001", jitter=0, max_age_ns=NS_PER_S)
        self.link = ClientThread(self.settings, self.consumer)

    def listen(self) -> None:
        self._in.subscribe(b"symbols.requested\0")
        self._in.subscribe(b"intent.")

    def want(self, *symbols: str) -> None:
        with self.link.lock:
            self.consumer.request(list(symbols), ("quotes",), 0, now_ns())
        self.link.wake()

    def read(self) -> bool:
        """Take what has come; False, so that a condition can go on with `or`."""
        while self._out.poll(0):
            self.subscriptions.append(self._out.recv())
        while self._in.poll(0):
            self.requests.append(self._in.recv())
        return False

    def close(self) -> None:
        self.link.close()
        self._context.destroy(linger=0)


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


def subscribed(peer: Peer, *symbols: str) -> bool:
    peer.read()
    wanted = {b"\1" + topics.prefix(topics.quote(symbol)) for symbol in symbols}
    return wanted <= set(peer.subscriptions) and peer.subscriptions[-1:] == [b"\1" + ACK]


def test_the_answers_topic_is_always_subscribed_last(peer: Peer) -> None:
    peer.want("SPY")
    peer.link.start()
    eventually(lambda: subscribed(peer, "SPY"))
    peer.want("SPY", "QQQ")
    eventually(lambda: subscribed(peer, "SPY", "QQQ"))
    again = [message for message in peer.subscriptions if message[1:] == ACK]
    assert again == [b"\1" + ACK, b"\0" + ACK, b"\1" + ACK], "withdrawn and made anew, so that it proves the new ones"
    assert peer.subscriptions.count(b"\1quote.SPY\0") == 1, "what stays is not touched"
    peer.want("QQQ")
    eventually(lambda: peer.read() or b"\0quote.SPY\0" in peer.subscriptions)


def test_the_first_message_waits_for_its_subscription(peer: Peer) -> None:
    peer.listen()
    assert peer.link.publish(INTENT)
    peer.want("SPY")
    peer.link.start()
    eventually(lambda: peer.read() or len(peer.requests) >= 2)
    assert isinstance(codec.decode(peer.requests[0]), SymbolsRequested)
    assert codec.decode(peer.requests[1]).seq == 1


def test_without_a_subscription_it_does_not_wait_for_ever(peer: Peer) -> None:
    peer.link.start()
    assert peer.link.publish(INTENT)
    eventually(lambda: peer.link.counters()["send_dropped"] >= 1, within_s=5, why="sent after the grace, and counted")


def test_what_waits_is_bounded_and_the_rest_counted(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_OUTBOX_BOUND", 3)
    assert [peer.link.publish(INTENT) for _ in range(5)] == [True, True, True, False, False]
    assert peer.link.counters()["send_dropped"] == 2
    peer.link.start()


def test_an_event_that_cannot_be_sent_is_the_callers_to_know_and_harms_nothing(peer: Peer) -> None:
    peer.listen()
    peer.link.start()
    with pytest.raises(ValueError, match="not a topic"):
        peer.link.publish(like(INTENT, client="two words"))
    with pytest.raises(ValueError, match="exceeds"):
        peer.link.publish(like(INTENT, urgency="x" * codec.MAX_PAYLOAD_BYTES))
    assert peer.link.publish(INTENT)
    eventually(lambda: peer.read() or peer.requests)
    assert codec.decode(peer.requests[0]).seq == 1


def test_drain_is_answered_while_it_runs_and_refused_after_its_end(peer: Peer) -> None:
    peer.link.start()
    assert peer.link.drain(5)
    peer.link.close()
    assert not peer.link.drain(0.05)


def test_the_end_releases_what_was_held_and_closes_feeds(peer: Peer) -> None:
    peer.listen()
    feed = peer.link.add_quote_feed(Feed(conflate=True, bound=10, timeout_s=None))
    peer.want("SPY")
    peer.link.start()
    eventually(lambda: peer.read() or peer.requests)
    peer.link.close()
    assert list(feed) == []
    eventually(lambda: peer.read() or len(peer.requests) >= 2)
    release = codec.decode(peer.requests[-1])
    assert isinstance(release, SymbolsRequested)
    assert release.symbols == ()
