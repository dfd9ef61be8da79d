"""Both ends over real servers: what arrives, what a lost, frozen or wrong server does, and what is left behind."""

from __future__ import annotations

import logging
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns
from quotebus.bus.transport.line import News
from quotebus.bus.transport.nats import line as lines
from quotebus.bus.transport.nats.access import NatsAccess
from quotebus.bus.transport.nats.ends import NatsPublisher, NatsSubscriber
from quotebus.bus.transport.nats.engine import NatsEngine
from tests.support.certificates import Authority, needs_openssl
from tests.support.nats_server import HOST, TEXT, NatsCluster, NatsServer, access_to, needs_server
from tests.support.programs import eventually

pytestmark = needs_server
FRAME = b"quote.SPY\0payload"


class Pair:
    """A subscriber and a requester on one connection, both up."""

    def __init__(self, access: NatsAccess, *prefixes: bytes) -> None:
        self.engine = NatsEngine(access)
        self.subscriber: NatsSubscriber = self.engine.subscriber(prefixes or (b"quote.",), watched=True)
        self.publisher: NatsPublisher = self.engine.requester()
        self.subscriber.connect()
        self.publisher.connect()
        self.heard: list[News] = []
        self.said: list[News] = []

    def until(self, *news: News) -> None:
        """Wait until both have told exactly this since the last time."""

        def told() -> bool:
            self.subscriber.line.wait(10 * NS_PER_MS)
            self.heard += self.subscriber.news()
            self.said += self.publisher.news()
            return self.heard == self.said == list(news)

        eventually(told, why=f"{news} told")
        self.heard.clear()
        self.said.clear()

    def send(self, *frames: bytes) -> None:
        for frame in frames:
            eventually(lambda: self.publisher.await_room(10 * NS_PER_MS) or self.publisher.has_room())
            assert self.publisher.send(frame)
        self.publisher.flush()

    def take(self, count: int) -> list[bytes]:
        frames: list[bytes] = []
        eventually(lambda: frames.extend(self.subscriber.take(count)) or len(frames) >= count or self.wait())
        return frames

    def wait(self) -> None:
        self.subscriber.await_frame(10 * NS_PER_MS)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def server(tmp_path: Path, opened: ExitStack) -> NatsServer:
    server = NatsServer(tmp_path, text=TEXT)
    opened.callback(server.stop)
    return server


@pytest.fixture
def pair_of(opened: ExitStack) -> Callable[..., Pair]:
    def connect(access: NatsAccess, *prefixes: bytes) -> Pair:
        pair = Pair(access, *prefixes)
        opened.callback(pair.engine.close, 0)
        pair.until(News.UP)
        return pair

    return connect


@pytest.fixture
def pair(server: NatsServer, pair_of: Callable[..., Pair]) -> Pair:
    return pair_of(access_to(server))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "certificates")


def test_what_is_sent_arrives_once_and_in_order(server: NatsServer, pair_of: Callable[..., Pair]) -> None:
    pair = pair_of(access_to(server), b"quote.", b"quote.SPY\0", b"quote.S", b"symbols.requested\0")
    frames = [b"quote.SPY\0%d" % number for number in range(3_000)] + [b"quote.BRK.B\0", b"symbols.requested\0\r\n"]
    pair.send(b"trade.SPY\0x", *frames, b"symbols.acknowledged.a\0x")
    assert pair.take(len(frames)) == frames
    pair.wait()
    assert pair.subscriber.take(10) == []


def test_a_request_is_behind_the_subscriptions_made_before_it(pair: Pair) -> None:
    """Which is why nothing waits for a subscription here."""
    for number in range(200):
        topics = [b"trade.S%d.%d\0" % (number, each) for each in range(20)]
        pair.subscriber.subscribe(topics)
        assert pair.publisher.covers(topics[-1])
        pair.send(*topics)
        assert pair.take(20) == topics
        pair.subscriber.unsubscribe(topics)
    pair.send(*topics, FRAME)
    assert pair.take(1) == [FRAME]


def test_a_wide_subscription_gives_its_narrow_ones_back_when_it_goes(pair: Pair) -> None:
    pair.subscriber.subscribe((b"trade.A\0", b"trade.", b"trade.B\0"))
    pair.send(b"trade.A\0", b"trade.C\0")
    assert pair.take(2) == [b"trade.A\0", b"trade.C\0"]
    pair.subscriber.unsubscribe((b"trade.", b"trade.B\0"))
    pair.send(b"trade.A\0", b"trade.B\0", b"trade.C\0", FRAME)
    assert pair.take(2) == [b"trade.A\0", FRAME]


def test_bounds_of_what_is_taken(pair: Pair) -> None:
    frames = [b"quote.SPY\0%04d" % number for number in range(100)]
    pair.send(*frames)
    eventually(lambda: pair.subscriber.line.fill(100) or len(pair.subscriber.line.frames) == 100)
    assert pair.subscriber.take(3) == frames[:3]
    assert pair.subscriber.take_bytes(50, 3 * len(frames[0]) - 1) == frames[3:6]
    assert pair.subscriber.take_bytes(4, 1 << 20) == frames[6:10]
    assert pair.subscriber.take_whole(5) == frames[10:15]
    assert pair.subscriber.take_gathered(range(5)) == frames[15:20]
    assert pair.subscriber.has_unread()
    assert pair.subscriber.keep_asked(pair.subscriber.take(1_000)) == frames[20:]
    assert not pair.subscriber.has_unread()


def test_the_largest_payload_passes(pair: Pair) -> None:
    frame = b"quote.SPY\0" + os.urandom(1 << 20)
    pair.send(frame)
    assert pair.take(1) == [frame]


def test_a_server_that_ends_and_returns(server: NatsServer, pair: Pair) -> None:
    pair.subscriber.subscribe((b"trade.SPY\0",))
    server.kill()
    pair.until(News.DOWN)
    assert not pair.publisher.send(FRAME)
    assert not pair.publisher.connected
    server.start()
    pair.until(News.UP)
    pair.send(b"trade.SPY\0x", FRAME)
    assert pair.take(2) == [b"trade.SPY\0x", FRAME]


def test_a_server_that_does_not_answer_is_left_after_three_seconds(server: NatsServer, pair: Pair) -> None:
    server.freeze()
    began_ns = now_ns()
    pair.until(News.DOWN)
    assert 1.9 * NS_PER_S < now_ns() - began_ns < 6 * NS_PER_S
    server.thaw()
    pair.until(News.UP)


def test_who_was_stopped_itself_finds_its_connection_alive(pair: Pair) -> None:
    """The answers have come meanwhile, and are unread."""
    line = pair.subscriber.line
    for _ in range(50):
        line._check_ns = 0
        line.tend()  # asks
        eventually(line._is_readable)
        line._heard_ns, line._ping_ns, line._check_ns = 1, 2, 0  # as after a long time
        line.tend()
        assert pair.subscriber.news() == []

    def is_dead() -> bool:
        assert pair.subscriber.news() == []  # reads the answers that have come
        line._heard_ns, line._ping_ns, line._check_ns = 1, 2, 0
        line.tend()
        return pair.subscriber.news() == [News.DOWN]

    eventually(is_dead, why="with nothing unread it is dead")


def test_a_connection_that_breaks_at_its_last_word_is_not_looked_at_any_more(pair: Pair) -> None:
    line = pair.publisher.line
    pair.publisher.send(FRAME)
    assert line._socket is not None
    line._socket.shutdown(socket.SHUT_RDWR)
    line._check_ns = 0
    line.tend()
    pair.until(News.DOWN, News.UP)


def test_another_server_of_the_cluster_is_taken(
    tmp_path: Path, opened: ExitStack, pair_of: Callable[..., Pair]
) -> None:
    cluster = NatsCluster(tmp_path, TEXT)
    opened.callback(cluster.stop)
    pairs = [pair_of(access_to(*cluster.servers)) for _ in range(4)]
    cluster.servers[pairs[0].publisher.line._server].kill()
    pairs[0].until(News.DOWN, News.UP)

    def everybody_hears() -> bool:
        for pair in pairs:
            pair.publisher.news()
            pair.subscriber.news()
        pairs[0].send(FRAME)
        return all(pair.subscriber.await_frame(50 * NS_PER_MS) for pair in pairs)

    eventually(everybody_hears)


def test_a_server_that_is_about_to_end_is_left_before(
    tmp_path: Path, opened: ExitStack, pair_of: Callable[..., Pair]
) -> None:
    """Lame duck mode: it tells its clients, and waits for ten seconds before it closes them."""
    cluster = NatsCluster(tmp_path, TEXT)
    opened.callback(cluster.stop)
    pair = pair_of(access_to(*cluster.servers))
    former = pair.publisher.line._server
    cluster.servers[former].running.process.send_signal(signal.SIGUSR2)
    began_ns = now_ns()
    pair.until(News.DOWN, News.UP)
    assert now_ns() - began_ns < 8 * NS_PER_S
    assert pair.publisher.line._server != former
    pair.send(FRAME)
    assert pair.take(1) == [FRAME]


def test_a_server_that_takes_no_more_blocks_and_nothing_is_lost(
    server: NatsServer, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_SILENCE_NS", 60 * NS_PER_S)  # it is frozen for a while
    pair.send(FRAME)
    assert pair.take(1) == [FRAME]
    server.freeze()
    sent, large = 0, b"quote.L\0%08d" + bytes(10_000)
    refused = 0
    while refused < 20:  # the kernel may take some more for a moment
        if pair.publisher.send(large.replace(b"%08d", b"%08d" % sent)):
            sent, refused = sent + 1, 0
            assert sent < 5_000
        else:
            refused += 1
            pair.publisher.await_room(5 * NS_PER_MS)
    assert sent > 20
    assert pair.publisher.line.unsent_bytes <= lines.UNSENT_BYTES + len(large)
    assert not pair.publisher.has_room()
    server.thaw()
    numbers: list[int] = []
    while len(numbers) < sent:
        pair.publisher.await_room(NS_PER_MS)
        numbers += [int(frame[8:16]) for frame in pair.subscriber.take(1_000)]
    assert numbers == list(range(sent))
    assert pair.publisher.has_room()


def test_last_words_leave(server: NatsServer, pair: Pair, pair_of: Callable[..., Pair]) -> None:
    """Also when much has come that its reader never took: closing then would tell the server to forget it all."""
    for number in range(20):
        other = pair_of(access_to(server), b"")
        frames = [b"quote.SPY\0%d.%d" % (number, each) for each in range(500)]
        other.send(*frames)
        other.subscriber.close()
        other.publisher.close()
        other.engine.close()
        assert pair.take(500) == frames
    assert not [thread for thread in threading.enumerate() if thread.name == "nats-leave"]


def test_a_closed_engine_leaves_no_descriptor(server: NatsServer) -> None:
    before = set(os.listdir("/proc/self/fd"))
    for linger in (0, 500, None):
        pair = Pair(access_to(server))
        pair.until(News.UP)
        pair.engine.close(linger)
        pair = Pair(access_to(server))
        pair.engine.close(linger)
    eventually(lambda: set(os.listdir("/proc/self/fd")) <= before)


def test_a_poller_wakes_for_a_frame_and_names_descriptors_only(pair: Pair) -> None:
    reader, writer = os.pipe()
    poller = pair.engine.poller()
    for what in (pair.subscriber, pair.publisher, reader):
        poller.watch(what)
    pair.send(FRAME, FRAME)
    eventually(lambda: poller.wait(1_000) == [] and pair.subscriber.has_unread())
    assert pair.subscriber.take(1) == [FRAME]
    began_ns = now_ns()
    while not pair.subscriber.take(1):
        assert poller.wait(20_000) == []
    assert now_ns() - began_ns < 10 * NS_PER_S
    os.write(writer, b"x")
    eventually(lambda: poller.wait(1_000) == [reader])
    os.read(reader, 1)
    poller.unwatch(reader)
    poller.unwatch(reader)
    os.close(writer)
    os.close(reader)
    began_ns = now_ns()
    poller.watch(pair.publisher, writable=True)
    poller.wait(20_000)
    assert now_ns() - began_ns < 10 * NS_PER_S, "there is room"


def test_a_forked_child_disturbs_nobody(pair: Pair) -> None:
    """Whatever it does to its copies: the connection stays the parent's, and a child keeps none of it open."""
    for _ in range(3):
        child = os.fork()
        if not child:
            try:
                kept = [number for number in os.listdir("/proc/self/fd") if _is_connection(int(number), pair)]
                pair.publisher.close(500)
                pair.engine.close(500)
                os._exit(len(kept))
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == 0
        pair.send(FRAME)
        assert pair.take(1) == [FRAME]
    assert pair.subscriber.news() == []


def _is_connection(number: int, pair: Pair) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{number}").startswith("socket:") and _peer(number) in (
            port for _, port in pair.engine._lines._access.servers
        )
    except OSError:
        return False


def _peer(number: int) -> int:
    with socket.socket(fileno=os.dup(number)) as copy:
        name = copy.getpeername()
    return int(name[1]) if isinstance(name, tuple) else 0


@needs_openssl
def test_over_tls_it_is_the_same(
    tmp_path: Path, opened: ExitStack, authority: Authority, pair_of: Callable[..., Pair]
) -> None:
    server = NatsServer(tmp_path, text=TEXT + authority.server_text())
    opened.callback(server.stop)
    pair = pair_of(access_to(server, tls=authority.context()))
    frames = [b"quote.SPY\0%d" % number + bytes(500) for number in range(3_000)]
    pair.send(*frames)
    assert pair.take(len(frames)) == frames
    large = b"quote.SPY\0" + os.urandom(1 << 20)
    pair.send(large)
    assert pair.take(1) == [large]
    poller = pair.engine.poller()
    poller.watch(pair.subscriber)
    pair.send(*frames[:100])
    taken: list[bytes] = []
    while len(taken) < 100:  # what is decrypted already, no descriptor shows
        poller.wait(20_000)
        taken += pair.subscriber.take(1)
    server.kill()
    pair.until(News.DOWN)
    server.start()
    pair.until(News.UP)


class Listening(socket.socket):
    """A server that keeps what is said to it, and says `greeting` first."""

    def __init__(self, greeting: bytes = b"") -> None:
        super().__init__()
        self.bind((HOST, 0))
        self.listen()
        self.settimeout(0.1)
        self.said: list[bytes] = []
        self._greeting, self._ending = greeting, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ending.set()
        self._thread.join(5)
        self.close()

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                peer, _ = self.accept()
                with peer:
                    peer.settimeout(1)
                    peer.sendall(self._greeting)
                    self.said.append(peer.recv(10_000))
            except OSError:
                continue


def info(**fields: object) -> bytes:
    text = ",".join(f'"{name}":{value}' for name, value in {"max_payload": 1_048_576, **fields}.items())
    return f"INFO {{{text}}}\r\n".encode()


@pytest.mark.parametrize(
    ("greeting", "says"),
    [
        (info(max_payload=65_536), "its max_payload is 65536, the bus needs 1048576"),
        (info(tls_required="true"), "it requires TLS"),
        (info(ldm="true"), "it is about to end"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "none of the protocol's"),
        (b"INFO " + b"x" * 5_000, "a line does not end"),
        (info() + b"-ERR 'Authorization Violation'\r\n", "Authorization Violation"),
    ],
)
def test_a_server_that_will_not_do_is_told_once(
    greeting: bytes, says: str, opened: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    listening = Listening(greeting)
    opened.callback(listening.end)
    with caplog.at_level(logging.WARNING):
        engine = NatsEngine(NatsAccess(((HOST, listening.getsockname()[1]),)))
        opened.callback(engine.close, 0)
        publisher = engine.requester()
        publisher.connect()
        eventually(lambda: len(listening.said) >= 2)
    assert [record.message for record in caplog.records if says in record.message] == [caplog.records[0].message]
    assert not any(b"pass" in said for said in listening.said)


@needs_openssl
@pytest.mark.parametrize("greeting", [info(), info(tls_required="false"), b""])
def test_with_tls_nothing_is_ever_said_in_clear(
    greeting: bytes, opened: ExitStack, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    listening = Listening(greeting)
    opened.callback(listening.end)
    engine = NatsEngine(
        NatsAccess(((HOST, listening.getsockname()[1]),), user="u", password="secret", tls=authority.context())
    )
    opened.callback(engine.close, 0)
    engine.requester().connect()
    eventually(lambda: len(listening.said) >= 1)
    for said in listening.said:
        assert b"CONNECT" not in said
        assert b"secret" not in said
        assert said[:1] in (b"\x16", b"\x15", b"")  # a TLS handshake, an alert, or nothing
    if greeting:
        eventually(lambda: any("handshake_first" in record.message for record in caplog.records))


@needs_openssl
def test_a_stranger_and_a_wrong_server_are_refused(
    tmp_path: Path, opened: ExitStack, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    other = Authority(tmp_path / "others")
    other.sign("stranger", "email:node@quotebus")
    authority.sign("friend", "email:node@quotebus")
    server = NatsServer(tmp_path, text=TEXT + authority.server_text(verify=True))
    opened.callback(server.stop)
    stranger = other.context("stranger")
    stranger.load_verify_locations(authority.path("ca.pem"))

    def try_with(tls: ssl.SSLContext | None, says: str) -> None:
        engine = NatsEngine(access_to(server, tls=tls))
        publisher = engine.requester()
        publisher.connect()
        with caplog.at_level(logging.DEBUG):
            eventually(lambda: any(says in record.message for record in caplog.records), why=says)
        assert not publisher.send(FRAME)
        engine.close(0)
        caplog.clear()

    try_with(authority.context(), "NATS: no connection")
    try_with(stranger, "NATS: no connection")
    try_with(other.context("stranger"), "certificate verify failed")
    try_with(None, "NATS: no connection")
    pair = Pair(access_to(server, tls=authority.context("friend")))
    opened.callback(pair.engine.close, 0)
    pair.until(News.UP)


def test_a_role_that_may_not_is_told(
    server: NatsServer, tmp_path: Path, opened: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    text = """authorization { users: [ { user: w, password: p, permissions: {
      publish: "quotebus.w.counters.>", subscribe: ["quotebus.*.quote.>"] } } ] }"""
    guarded = NatsServer(tmp_path, name="guarded", text=TEXT + text)
    opened.callback(guarded.stop)
    pair = Pair(NatsAccess(((HOST, guarded.port),), user="w", password="p"), b"quote.", b"order.")
    opened.callback(pair.engine.close, 0)
    pair.until(News.UP)
    with caplog.at_level(logging.WARNING):
        pair.send(FRAME)
        eventually(lambda: pair.subscriber.news() or "ermissions Violation for Publish" in caplog.text)
    assert "ermissions Violation for Subscription" in caplog.text
    assert pair.publisher.connected
    assert "password" not in repr(pair.engine._lines._access)
