"""The thread around the hot path: acks wait for their subscription, control goes first, and the end is orderly."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
import zmq

from quotebus.bus import codec
from quotebus.bus.clock import NS_PER_MS
from quotebus.bus.events import Quote
from quotebus.bus.protocol import GRACE_NS
from quotebus.bus.transport.line import News
from quotebus.bus.transport.zeromq.coverage import Coverage
from quotebus.bus.transport.zeromq.endpoints import Endpoints
from quotebus.bus.transport.zeromq.engine import ZmqEngine
from quotebus.bus.transport.zeromq.publisher import read_subscriptions
from quotebus.bus.transport.zeromq.sockets import Role, bind, make
from quotebus.pricing.messages import UpstreamCodec
from quotebus.pricing.shared_state import SharedState
from quotebus.pricing.upstream import hot_thread
from quotebus.pricing.upstream.hot import PIECE, HotPath, Report, SocketClosed
from quotebus.pricing.upstream.hot_thread import ATTACH, HANG_UP, MAX_HELD, PING, SEND, STOP, HotThread
from quotebus.pricing.upstream.upstream_socket import UpstreamSocket
from tests.support.hot_rig import SOURCE, Publisher
from tests.support.pricing import T0, framed, packed, quote
from tests.support.programs import eventually

ACK, OTHER_ACK = b"symbols.acknowledged.a\0one", b"symbols.acknowledged.b\0two"
HEALTH = b"health.pricing\0payload"


class FakeBroker(Publisher):
    """The publisher by hand: what it sent, and the subscriptions it will be told of."""

    def __init__(self) -> None:
        super().__init__()
        self.subscriptions: list[bytes] = []
        self.coverage = Coverage()

    def recv(self, flags: int) -> bytes:
        if not self.subscriptions:
            raise zmq.Again
        return self.subscriptions.pop(0)

    def news(self) -> list[News]:
        return read_subscriptions(self, self.coverage)  # type: ignore[arg-type]

    def covers(self, frame: bytes) -> bool:
        return self.coverage.covers(frame)


class Bench:
    """A hot thread that is not started: its steps are called by hand, on a clock that is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engine = ZmqEngine(Endpoints(("tcp://127.0.0.1:1",), (), (), "nowhere"))
        self.thread = HotThread(self.engine)
        self.thread.publisher.close()
        self.broker = FakeBroker()
        self.thread.publisher = self.broker  # type: ignore[assignment]
        self.control = self.thread.control
        self.now_ns = T0
        monkeypatch.setattr(hot_thread, "now_ns", lambda: self.now_ns)

    def turn(self, *messages: bytes, after_ms: int = 0) -> list[bytes]:
        """Let time pass, say something, wake up once; what has been sent so far."""
        self.now_ns += after_ms * NS_PER_MS
        for message in messages:
            assert self.control.put(message)
        self.thread._between()
        return self.broker.frames


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench(monkeypatch)
    yield bench
    bench.control.close()
    bench.engine.close(0)


def test_an_ack_waits_for_the_subscription_that_covers_it(bench: Bench) -> None:
    assert bench.turn(ACK, HEALTH) == [HEALTH], "only the ack has to wait"
    bench.broker.subscriptions = [b"\1symbols.acknowledged.aa\0", b"\1quote."]
    assert bench.turn(after_ms=100) == [HEALTH]
    bench.broker.subscriptions = [b"\1symbols.acknowledged.a\0"]
    assert bench.turn(after_ms=1) == [HEALTH, ACK]


def test_an_ack_that_nobody_subscribes_to_goes_after_a_quarter_of_a_second(bench: Bench) -> None:
    bench.turn(ACK)
    assert bench.turn(after_ms=GRACE_NS // NS_PER_MS - 1) == []
    assert bench.turn(after_ms=1) == [ACK]
    assert bench.thread.counters["acks_held"] == 1


def test_an_ack_that_is_covered_goes_at_once_and_past_the_waiting_one(bench: Bench) -> None:
    bench.broker.subscriptions = [b"\1symbols.acknowledged.b\0"]
    assert bench.turn(ACK, OTHER_ACK) == [OTHER_ACK]


def test_a_subscription_withdrawn_covers_no_more(bench: Bench) -> None:
    bench.broker.subscriptions = [b"\1symbols.", b"\0symbols."]
    assert bench.turn(ACK) == []


def test_after_a_reconnect_everything_waits_for_subscriptions_and_stays_in_order(bench: Bench) -> None:
    bench.broker.subscriptions = [b"\1health.", b"\0health."]
    bench.turn()
    first, second = HEALTH + b"1", HEALTH + b"2"
    assert bench.turn(first, after_ms=240) == []
    assert bench.turn(second, after_ms=20) == [first, second]


def test_a_control_thread_that_goes_on_speaking_has_a_slot_and_no_more(bench: Bench) -> None:
    frames = [HEALTH + bytes([number]) for number in range(6)]
    send = bench.broker.send

    def slow(frame: bytes) -> bool:
        bench.now_ns += NS_PER_MS
        return send(frame)

    bench.broker.send = slow  # type: ignore[method-assign]
    assert bench.turn(*frames) == frames[:2]
    assert bench.turn() == frames[:4], "data had its turn in between"
    assert bench.turn() == frames


def test_nothing_overtakes_what_waits_for_a_full_broker(bench: Bench) -> None:
    frames = [HEALTH + bytes([number]) for number in range(6)]
    send, calls = bench.broker.send, 0

    def full_for_a_moment(frame: bytes) -> bool:
        nonlocal calls
        calls += 1
        return calls not in (2, 4) and send(frame)

    bench.broker.send = full_for_a_moment  # type: ignore[method-assign]
    assert bench.turn(*frames[:4]) == frames[:1]
    assert bench.turn(*frames[4:]) == frames[:2]
    assert bench.turn() == frames


def test_held_frames_are_bounded_and_the_oldest_goes_counted(bench: Bench) -> None:
    bench.broker.room = 0
    for number in range(MAX_HELD + 3):
        bench.thread._publish(HEALTH + str(number).encode())
    assert bench.thread.counters["control_dropped"] == 3
    bench.broker.room = None
    bench.turn()
    assert bench.broker.frames[0] == HEALTH + b"3"
    assert len(bench.broker.frames) == MAX_HELD


def test_stop_sends_what_is_held_and_hangs_up(bench: Bench) -> None:
    reports: list[Report] = []
    path = HotPath(bench.broker, SOURCE, SharedState(), UpstreamCodec("msgpack"), reports.append, conflate=True)  # type: ignore[arg-type]
    bench.thread.path = path
    ours, peer = socket.socketpair()
    path.attach(UpstreamSocket(ours), 1)
    assert bench.turn(ACK, STOP, HEALTH) == [ACK], "and nothing after it"
    assert reports == [SocketClosed(None)], "a line that never pauses must not keep the thread"
    peer.close()


def test_control_frames_go_out_between_the_pieces_of_a_burst(bench: Bench) -> None:
    shared = SharedState()
    shared.want("SPY")
    path = HotPath(bench.broker, SOURCE, shared, UpstreamCodec("msgpack"), lambda _: None, conflate=True)  # type: ignore[arg-type]
    ours, peer = socket.socketpair()
    path.attach(UpstreamSocket(ours), 1)
    peer.sendall(framed(packed(*[quote()] * 10)) * 100)
    send = bench.broker.send

    def speak_at_the_tenth_quote(frame: bytes) -> bool:
        sent = send(frame)
        if len(bench.broker.frames) == 10:
            bench.control.put(HEALTH)
        return sent

    bench.broker.send = speak_at_the_tenth_quote  # type: ignore[method-assign]
    path.read(bench.thread._between)
    assert len(bench.broker.frames) == 1_001
    assert bench.broker.frames.index(HEALTH) <= PIECE + 10, "not at the end of the burst"
    path.hang_up(None)
    peer.close()


# the thread itself, on real sockets


class Running:
    def __init__(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.broker = make(context, Role.BROKER_PUBLISH)
        self.engine = ZmqEngine(Endpoints((bind(self.broker, "tcp://127.0.0.1:0"),), (), (), "here"), context)
        self.broker.subscribe(b"")
        self.broker.rcvtimeo = 5_000
        self.thread = HotThread(self.engine)
        self.control = self.thread.control
        self.shared = SharedState()
        self.shared.want("SPY")
        self.reports: list[Report] = []
        path = HotPath(
            self.thread.publisher, SOURCE, self.shared, UpstreamCodec("msgpack"), self.reports.append, conflate=True
        )
        ours, self.peer = socket.socketpair()
        self.peer.settimeout(5)
        self.line = UpstreamSocket(ours)
        self.thread.start(path)

    def attach(self) -> None:
        self.thread.sockets.append((self.line, 1))
        self.control.put(ATTACH)

    def close(self) -> None:
        if self.thread.is_alive():
            self.control.put(STOP)
        self.thread.join(5)
        alive = self.thread.is_alive()
        self.line.close()
        self.peer.close()
        self.engine.close(0)
        assert not alive


@pytest.fixture
def running() -> Iterator[Running]:
    running = Running()
    yield running
    running.close()


def test_data_and_control_cross_to_the_broker_and_commands_to_the_line(running: Running) -> None:
    running.control.put(HEALTH)
    assert running.broker.recv() == HEALTH
    running.attach()
    running.control.put(SEND + b"hello")
    assert len(running.peer.recv(100)) == len(b"hello") + 6
    running.control.put(PING)
    assert running.peer.recv(100)[0] == 0x89
    running.peer.sendall(framed(packed(quote())))
    event = codec.decode(running.broker.recv())
    assert isinstance(event, Quote)
    assert (event.seq, event.connection) == (1, 1)
    running.control.put(HANG_UP)
    eventually(lambda: running.reports[-1:] == [SocketClosed(None)], within_s=5)
    assert running.peer.recv(100) == b""


def test_ends_though_the_line_never_pauses(running: Running) -> None:
    data = framed(packed(*[quote()] * 10)) * 50

    def flood() -> None:
        with contextlib.suppress(OSError):
            while True:
                running.peer.sendall(data)

    flooding = threading.Thread(target=flood, daemon=True)
    flooding.start()
    running.control.put(HEALTH)
    assert running.broker.recv() == HEALTH
    running.attach()
    running.broker.recv()
    running.control.put(STOP)
    running.thread.join(5)
    assert not running.thread.is_alive()
    flooding.join(5)
    assert not flooding.is_alive(), "the line is closed"
