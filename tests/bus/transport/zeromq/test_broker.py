"""The broker: one binder, requests screened, nothing lost at the start, restarts and dead peers survived."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from quotebus import BusClient, bus
from quotebus.bus import codec, topics
from quotebus.bus.clock import NS_PER_S, now_ns, seconds, utc_ns
from quotebus.bus.codec import MAX_FRAME_BYTES
from quotebus.bus.errors import ConfigError
from quotebus.bus.events import Counters, Event, Quote, SymbolsRequested, TradeIntent
from quotebus.bus.protocol import GRACE_NS
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.zeromq.broker import Broker
from quotebus.bus.transport.zeromq.coverage import Coverage
from quotebus.bus.transport.zeromq.sockets import Role, make
from tests.support.bus import FREE, NOBODY, fake_node, running_broker, settings_of
from tests.support.counters import documented
from tests.support.eventlog import EventLog
from tests.support.programs import Program, eventually
from tests.support.samples import HEALTH, INTENT, QUOTE, REQUESTED, STATUS, like
from tests.support.stopwatch import Stopwatch

BUS_README = Path(bus.__file__).parent / "README.md"


class Bench:
    """Sockets of one test, closed at its end."""

    def __init__(self) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._made: list[zmq.Socket[bytes]] = []

    def connect(self, role: Role, url: str, *subscriptions: bytes) -> zmq.Socket[bytes]:
        socket = make(self.context, role)
        self._made.append(socket)
        for subscription in subscriptions:
            socket.subscribe(subscription)
        socket.connect(url)
        return socket

    def publisher(self, settings: BusSettings) -> zmq.Socket[bytes]:
        """A node's publisher that somebody listens to."""
        socket = self.connect(Role.PUBLISH, settings.bus_publish_url)
        assert socket.poll(10_000)
        return socket


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.context.destroy(linger=0)


def drain(socket: zmq.Socket[bytes]) -> list[bytes]:
    messages: list[bytes] = []
    while socket.poll(0):
        messages.append(socket.recv())
    return messages


def test_a_second_broker_on_the_same_endpoints_is_refused() -> None:
    with running_broker() as settings:
        with pytest.raises(ConfigError, match="already running") as refused:
            Broker(settings)
        assert "\n" not in str(refused.value)
        with pytest.raises(ConfigError):  # any single endpoint is enough
            Broker(
                like_settings(
                    NOBODY,
                    **{f"bus_{each}_url": FREE.bus_url for each in ("publish", "subscribe")},
                    bus_request_url=settings.bus_request_url,
                )
            )


def like_settings(settings: BusSettings, **changes: str) -> BusSettings:
    return settings.model_copy(update=changes)


def test_stop_ends_run_within_a_second_and_frees_the_ports() -> None:
    broker = Broker(FREE)
    thread = threading.Thread(target=broker.run)
    thread.start()
    client = BusClient(settings_of(broker), name="stays")
    client.request(["SPY"])
    began_ns = now_ns()
    broker.stop()
    thread.join(5)
    assert now_ns() - began_ns < NS_PER_S
    with running_broker(settings_of(broker)):
        client.close()


def test_request_endpoint_admits_requests_and_drops_forgeries(bench: Bench) -> None:
    with running_broker() as settings:
        log = EventLog(settings.bus_subscribe_url)
        forger = bench.context.socket(zmq.PUB)  # a PUB sends what it is told, whoever subscribed to whatever
        forger.connect(settings.bus_request_url)
        polite = bench.connect(Role.REQUEST, settings.bus_request_url)
        assert polite.poll(10_000)
        forged: list[Event] = [QUOTE, HEALTH, STATUS, like(QUOTE, symbol="FORGED")]
        stop_ns = now_ns() + seconds(10)
        while not (log.all(TradeIntent, lambda intent: intent.client == "forger") and log.all(SymbolsRequested)):
            assert now_ns() < stop_ns, "the forger's own intent must arrive, else this proves nothing"
            for event in (*forged, like(INTENT, client="forger")):
                forger.send(codec.encode(event))
            polite.send(codec.encode(REQUESTED))
            log.wait(SymbolsRequested)
        assert not log.all(Quote)
        assert {type(heard.event) for heard in log.heard} <= {SymbolsRequested, TradeIntent, Counters}
        forger.close(linger=0)
        log.close()


def test_a_request_that_only_begins_like_one_is_dropped(bench: Bench) -> None:
    with running_broker() as settings:
        everything = bench.connect(Role.SUBSCRIBE, settings.bus_subscribe_url, b"")
        raw = bench.context.socket(zmq.PUB)
        raw.connect(settings.bus_request_url)
        heard: list[bytes] = []

        def marker_heard() -> bool:
            raw.send(b"symbols.requested.more\0\x90")
            raw.send(b"symbols.acknowledged.worker-1\0\x90")
            raw.send(b"intent.marker\0\x90")
            heard.extend(drain(everything))
            return any(frame.startswith(b"intent.marker") for frame in heard)

        eventually(marker_heard)
        assert not [frame for frame in heard if frame.startswith(b"symbols.")]
        raw.close(linger=0)


EARLY = "early"


def listening(settings: BusSettings) -> EventLog:
    """A log whose own subscription has reached the broker: it has heard an intent of EARLY."""
    log = EventLog(settings.bus_subscribe_url, b"intent.")
    with BusClient(settings, name=EARLY) as early:
        eventually(lambda: early.publish(like(INTENT, client=EARLY)) and log.all(TradeIntent))
    return log


def test_twenty_of_twenty_fresh_clients_are_heard_with_their_first_message() -> None:
    with running_broker() as settings:
        log = listening(settings)
        for number in range(20):
            with BusClient(settings, name=f"fresh-{number}") as client:
                assert client.publish(like(INTENT, client=client.name))
                log.wait(TradeIntent, lambda intent, name=client.name: intent.client == name)  # type: ignore[misc]
                assert client.counters["send_dropped"] == 0
        assert len(log.all(TradeIntent, lambda intent: intent.client != EARLY)) == 20
        log.close()


def test_one_shot_publishers_lose_nothing_when_they_wait_for_coverage(bench: Bench) -> None:
    with running_broker() as settings:
        log = listening(settings)
        for number in range(20):
            frame = codec.encode(like(INTENT, client=f"one-shot-{number}"))
            socket, coverage = bench.connect(Role.REQUEST, settings.bus_request_url), Coverage()
            while not coverage.covers(frame):
                assert socket.poll(10_000)
                coverage.feed(socket.recv())
            socket.send(frame)
            socket.close()
        eventually(lambda: len({intent.client for intent in log.all(TradeIntent)} - {EARLY}) == 20)
        log.close()
    assert GRACE_NS == 250_000_000


def test_ten_thousand_subscriptions_survive_a_restart(bench: Bench, stopwatch: Stopwatch) -> None:
    """As seen by the data: every one of the topics is heard again."""
    wanted = {topics.prefix(topics.quote(f"S{number}")) for number in range(10_000)}
    subscriber: zmq.Socket[bytes] | None = None
    with running_broker() as settings:
        subscriber = bench.connect(Role.SUBSCRIBE, settings.bus_subscribe_url, *wanted)
        publisher = bench.connect(Role.PUBLISH, settings.bus_publish_url)
        heard: set[bytes] = set()

        def all_heard() -> bool:
            for topic in wanted - heard:
                publisher.send(topic)
            subscriber.poll(100)  # its owner must poll, or nothing is subscribed to anew
            heard.update(drain(subscriber))
            return wanted == heard

        assert publisher.poll(10_000)
        eventually(all_heard)
        drain(publisher)
    assert publisher.poll(10_000)
    assert publisher.recv() == b"\0", "the broker took its subscription with it"
    drain(subscriber)
    heard.clear()
    with running_broker(settings):
        began_ns = now_ns()
        eventually(lambda: publisher.poll(0) and all_heard())
        assert stopwatch.seconds(began_ns, now_ns()) < 2.0


FROZEN = """
import sys, zmq
from quotebus.bus.transport.zeromq.sockets import Role, make
socket = make(zmq.Context(), Role.SUBSCRIBE)
socket.subscribe(b"quote.FROZEN\\0")
socket.connect(sys.argv[1])
print("subscribed", flush=True)
socket.recv()
"""


def test_a_frozen_peer_is_noticed() -> None:
    with running_broker() as settings:
        log = EventLog(settings.bus_subscribe_url, b"counters.broker")
        peer = Program("python", "-c", FROZEN, settings.bus_subscribe_url, environment={})
        try:
            log.wait(Counters, lambda heard: heard.counters["subscribe_peers"] == 2)
            peer.freeze()
            frozen_ns = now_ns()
            _, noticed_ns = log.wait(Counters, lambda heard: heard.counters["subscribe_disconnects"] == 1, within_s=6)
            assert noticed_ns - frozen_ns > NS_PER_S, "cut by its silence, not by its end"
        finally:
            peer.kill()
            peer.stop()
            log.close()


def test_counters_are_published_each_second() -> None:
    with running_broker() as settings:
        log = EventLog(settings.bus_subscribe_url, b"counters.broker")
        with BusClient(settings, name="asks") as client:
            first, first_ns = log.wait(Counters)
            client.request(["SPY"])
            second, second_ns = log.wait(
                Counters, lambda counters: counters.counters["requests_admitted"] > first.counters["requests_admitted"]
            )
        assert first.program == "broker"
        assert 0.5 < (second_ns - first_ns) / NS_PER_S / (second.seq - first.seq) < 2.5
        assert second.counters["requests_dropped"] == 0
        assert second.counters.keys() == documented(BUS_README, "The broker (")
        assert second.counters["subscribe_peers"] == 2
        gone, _ = log.wait(Counters, lambda counters: counters.counters["subscribe_disconnects"] == 1)
        assert (gone.counters["subscribe_peers"], gone.counters["request_connects"]) == (1, 1)
        assert second.counters["published_messages_in"] > first.counters["published_messages_in"]
        log.close()


def test_who_asks_and_leaves_at_once_is_not_kept_in_the_log_for_ever(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    names = {f"hasty-{number}" for number in range(40)}

    def told(what: str) -> set[str]:
        lines = [record.getMessage().split() for record in caplog.records]
        return {line[1] for line in lines if line[0] == "client" and line[2] == what}

    with caplog.at_level(logging.INFO, "quotebus.bus.transport"), running_broker() as settings:
        for name in sorted(names):
            publisher = bench.connect(Role.PUBLISH, settings.bus_request_url)
            assert publisher.poll(10_000)
            publisher.send(codec.encode(like(REQUESTED, client=name)))
            publisher.close(linger=10_000)
        with BusClient(settings, name="last") as client:
            client.request(["SPY"])
            eventually(lambda: "last" in told("connected"))
        eventually(lambda: "last" in told("left"))
        assert told("left") == told("connected")


def test_an_oversized_message_cuts_only_its_sender(bench: Bench) -> None:
    with running_broker() as settings:
        log = EventLog(settings.bus_subscribe_url, b"quote.")
        good = bench.publisher(settings)
        evil = bench.publisher(settings)
        monitor = evil.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        evil.send(b"quote.EVIL\0" + bytes(MAX_FRAME_BYTES))
        assert monitor.poll(10_000), "cut"
        eventually(lambda: good.send(codec.encode(QUOTE)) is None and log.all(Quote))
        quote, _ = log.quote("SPY")
        assert quote == QUOTE
        assert not log.all(Quote, lambda quote: quote.symbol == "EVIL")
        evil.disable_monitor()
        monitor.close(linger=0)
        log.close()


def test_data_crosses_unchanged_and_in_order(bench: Bench) -> None:
    with running_broker() as settings:
        log = EventLog(settings.bus_subscribe_url, b"quote.SPY\0")
        publisher = bench.publisher(settings)
        marker = codec.encode(like(QUOTE, seq=0))
        eventually(lambda: publisher.send(marker) is None and log.heard)
        sent = [like(QUOTE, seq=seq, published_ns=utc_ns()) for seq in range(1, 2_001)]
        for quote in sent:
            publisher.send(codec.encode(quote))
        heard: list[Quote] = []

        def all_heard() -> bool:
            heard[:] = log.all(Quote, lambda quote: quote.seq > 0)
            return len(heard) == len(sent)

        eventually(all_heard)
        assert heard == sent
        log.close()


def test_its_log_names_who_connects_and_leaves(caplog: pytest.LogCaptureFixture) -> None:
    def told(line: str) -> bool:
        return line in [record.getMessage() for record in caplog.records]

    with caplog.at_level(logging.DEBUG, "quotebus.bus.transport"), running_broker() as settings:
        with fake_node(settings), BusClient(settings, name="blotter") as client:
            client.request(["SPY"])
            eventually(lambda: told("client blotter connected") and told("a node answers requests"))
            client.request(["SPY", "QQQ"])
            eventually(lambda: client.results()["QQQ"].acknowledged)
            assert not told("client blotter left")
        eventually(lambda: told("client blotter left") and told("no node answers requests any more"))
        peers = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
        came = [
            line for line in peers if re.fullmatch(r"(publish|subscribe|request): 127\.0\.0\.1:\d+ connected", line)
        ]
        assert {line.partition(":")[0] for line in came} == {"publish", "subscribe", "request"}
        eventually(lambda: all(told(line.replace("connected", "left")) for line in came))
