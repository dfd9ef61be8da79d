"""What a stranger may send the broker: it is dropped and counted, and nobody else is worse off."""

from __future__ import annotations

import os
import random
import resource
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from quotebus import BusClient
from quotebus.bus import codec, topics
from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.events import Counters, Quote, SymbolsRequested, TradeIntent
from quotebus.bus.settings import BusSettings
from tests.support.bus import fake_node
from tests.support.programs import Program, eventually
from tests.support.samples import INTENT, QUOTE, REQUESTED, like
from tests.support.stopwatch import Stopwatch
from tests.support.stranger import Stranger, wire
from tests.support.world import World

SUBSCRIBE_SPY = b"\1" + topics.prefix(topics.quote("SPY"))
UNSUBSCRIBE_SPY = b"\0" + topics.prefix(topics.quote("SPY"))


class Bus:
    """A real broker, a log of its counters, and a client that asks a node for SPY."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder, engine="tcp")
        self.broker: Program = self.world.broker()
        self.settings: BusSettings = self.world.settings()
        self.counters_log = self.world.log(b"counters.broker")
        self._strangers = ExitStack()

    def close(self) -> None:
        self._strangers.close()
        self.world.close()

    def stranger(self, endpoint: str, kind: bytes = b"SUB", *, handshake: bool = True) -> Stranger:
        stranger = Stranger(getattr(self.settings, f"bus_{endpoint}_url"), kind, handshake=handshake)
        self._strangers.callback(stranger.close)
        return stranger

    def counted(self, name: str, at_least: int = 1) -> int:
        """Wait until the broker's counter has come so far."""
        counters, _ = self.counters_log.wait(Counters, lambda heard: heard.counters.get(name, -1) >= at_least)
        return counters.counters[name]

    def memory_mib(self) -> int:
        pages = int(Path(f"/proc/{self.broker.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() >> 20


def _is_cut_soon(stranger: Stranger, stopwatch: Stopwatch) -> bool:
    began_ns = now_ns()
    return stranger.is_cut(within_s=45) and stopwatch.seconds(began_ns) < 2


def cpu_s(program: Program) -> float:
    """Processor time a program has taken."""
    words = Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    made = Bus(tmp_path)
    yield made
    made.close()


def test_an_unsubscription_of_what_one_never_had_takes_nothing_from_others(bus: Bus) -> None:
    log = bus.world.log(b"quote.SPY\0")
    with fake_node(bus.settings) as node:
        eventually(lambda: node.tick("SPY") is None and log.all(Quote))
        stranger = bus.stranger("subscribe")
        stranger.send(UNSUBSCRIBE_SPY)
        stranger.send(b"\0")
        eventually(lambda: bus.counted("subscribe_connects", 3))
        since = log.position()
        eventually(lambda: node.tick("SPY") is None and len(log.all(Quote, since=since)) > 20)


def test_a_subscription_beyond_its_bound_cuts_who_sent_it(bus: Bus, stopwatch: Stopwatch) -> None:
    sizes = (1_024, 60_000, 110_000, 1_000_000)
    for size in sizes:
        stranger = bus.stranger("subscribe")
        stranger.send(b"\1" + b"x" * size)
        assert _is_cut_soon(stranger, stopwatch), size
        assert bus.broker.process.poll() is None, size
    bus.counted("subscribe_disconnects", len(sizes))
    assert bus.memory_mib() < 100


def test_a_subscription_of_the_greatest_length_is_served(bus: Bus) -> None:
    stranger = bus.stranger("subscribe")
    stranger.send(b"\1" + b"x" * 1_023)
    stranger.send(SUBSCRIBE_SPY)
    with fake_node(bus.settings) as node:
        eventually(lambda: node.tick("SPY") is None and _hears(stranger, b"quote.SPY\0"))


def _hears(stranger: Stranger, topic: bytes) -> bool:
    stranger.socket.settimeout(0.2)
    try:
        return topic in stranger.socket.recv(65_536)
    except TimeoutError:
        return False


def test_what_is_no_subscription_reaches_nobody_and_ends_with_its_sender(bus: Bus, stopwatch: Stopwatch) -> None:
    publisher = bus.stranger("publish", b"XPUB")
    stranger = bus.stranger("subscribe")
    noise = wire(b"x" * 1_000) * 1_000
    for _ in range(100):
        if not stranger.send_raw(noise):
            break
    assert _is_cut_soon(stranger, stopwatch)
    bus.counted("subscribe_cut")
    assert bus.counted("subscribe_bytes_in") > 1_000_000
    assert not _hears(publisher, b"xxx")
    assert bus.memory_mib() < 100


def test_more_topics_than_a_client_has_end_the_connection(bus: Bus, stopwatch: Stopwatch) -> None:
    stranger = bus.stranger("subscribe")
    for number in range(300):
        topics_of_it = b"".join(wire(b"\1quote.%05d.%05d\0" % (number, each)) for each in range(1_000))
        if not stranger.send_raw(topics_of_it):
            break
    assert _is_cut_soon(stranger, stopwatch)
    bus.counted("subscribe_cut")
    assert bus.memory_mib() < 200
    assert bus.broker.process.poll() is None


def test_short_topics_end_the_connection_long_before_its_bytes_do(bus: Bus, stopwatch: Stopwatch) -> None:
    """1 MiB of them would be 170,000, which libzmq removes in half a second of processor time."""
    rng = random.Random(1)
    stranger = bus.stranger("subscribe")
    stranger.send_raw(b"".join(wire(b"\1" + rng.randbytes(3)) for _ in range(90_000)))
    assert _is_cut_soon(stranger, stopwatch)
    bus.counted("subscribe_cut")
    bus.counted("subscribe_disconnects")
    assert bus.broker.process.poll() is None


def test_a_whole_client_of_the_greatest_size_is_not_cut(bus: Bus) -> None:
    symbols = [f"S{number:05}".ljust(20, "X") for number in range(10_000)]
    stranger = bus.stranger("subscribe")
    for kind in (topics.quote, topics.trade, topics.status):
        stranger.send_raw(b"".join(wire(b"\1" + topics.prefix(kind(symbol))) for symbol in symbols))
    with fake_node(bus.settings) as node:
        eventually(lambda: node.tick(symbols[-1]) is None and _hears(stranger, symbols[-1].encode()))
    bus.counted("subscribe_bytes_in", 900_000)
    assert bus.counters_log.all(Counters)[-1].counters["subscribe_cut"] == 0


def test_memory_beyond_its_bound_replaces_the_broker_and_clients_go_on(tmp_path: Path) -> None:
    world = World(tmp_path, engine="tcp")
    broker = world.broker("--bus-broker-memory-mib", "96")
    settings = world.settings()
    with fake_node(settings) as node, BusClient(settings, name="stays") as client:
        client.request(["SPY"], wait_s=0)
        log = world.log(b"quote.SPY\0", b"counters.broker")
        eventually(lambda: node.requests and node.tick("SPY") is None and log.all(Quote))
        asked = len(node.requests)
        strangers = [Stranger(settings.bus_subscribe_url, b"SUB") for _ in range(8)]
        for stranger in strangers:
            stranger.send_raw(b"".join(wire(b"\1" + os.urandom(1_000)) for _ in range(1_200)))
        began_ns = now_ns()
        broker.line("beyond the bound of 96 MiB")
        eventually(lambda: sum("quotebus broker: publish" in line for line in broker.lines) == 2)
        assert now_ns() - began_ns < 5 * NS_PER_S
        log.wait(Counters, lambda counters: counters.counters["restarts"] == 1)
        eventually(lambda: len(node.requests) > asked and client.counters["reconnects"] == 1)
        since = log.position()
        eventually(lambda: node.tick("SPY") is None and log.all(Quote, since=since))
        for stranger in strangers:
            stranger.close()
    world.close()
    assert broker.process.returncode == 0


def test_a_message_of_two_parts_is_dropped_and_counted_at_the_request_endpoint(bus: Bus) -> None:
    log = bus.world.log(b"")
    stranger = bus.stranger("request", b"PUB")
    forged = codec.encode(like(QUOTE, symbol="FORGED"))
    stranger.send(codec.encode(INTENT), forged)
    stranger.send(codec.encode(INTENT), codec.encode(INTENT), forged)
    bus.counted("requests_multipart", 2)
    stranger.send(codec.encode(like(INTENT, client="after")))
    log.wait(TradeIntent, lambda intent: intent.client == "after")
    assert not log.all(Quote)
    assert len(log.all(TradeIntent)) == 1


def test_one_connection_is_no_more_than_a_few_clients(bus: Bus) -> None:
    log = bus.world.log(b"symbols.requested\0")
    stranger = bus.stranger("request", b"PUB")
    honest = bus.stranger("request", b"PUB")
    first = codec.encode(like(REQUESTED, client="first"))
    eventually(lambda: honest.send(first) and log.all(SymbolsRequested))
    for number in range(2_000):
        stranger.send(codec.encode(like(REQUESTED, client=f"name-{number}")))
    honest.send(codec.encode(like(REQUESTED, client="honest")))
    log.wait(SymbolsRequested, lambda request: request.client == "honest")
    bus.counted("requests_limited", 2_000 - 8)
    assert len({request.client for request in log.all(SymbolsRequested)} - {"first", "honest"}) == 8


def test_who_goes_on_and_on_is_cut(bus: Bus, stopwatch: Stopwatch) -> None:
    stranger = bus.stranger("request", b"PUB")
    frame = wire(codec.encode(like(INTENT, client="many")))
    for _ in range(100):
        if not stranger.send_raw(frame * 1_000):
            break
    assert _is_cut_soon(stranger, stopwatch)
    bus.counted("request_cut")


def test_without_descriptors_the_broker_refuses_and_does_not_spin(tmp_path: Path) -> None:
    world = World(tmp_path, engine="tcp")
    broker = world.start("python", "-c", SHORT_OF_FILES)
    words = broker.line("quotebus broker: publish").split()
    for kind in ("publish", "subscribe", "request"):
        world.environment[f"BUS_{kind.upper()}_URL"] = words[words.index(kind) + 1]
    settings = world.settings()
    log = world.log(b"counters.broker", b"symbols.requested\0")
    idle = [Stranger(settings.bus_request_url, b"PUB", handshake=False) for _ in range(100)]
    heard, _ = log.wait(Counters, lambda counters: counters.counters["request_refused"] >= 50)
    before, before_ns = cpu_s(broker), now_ns()
    log.wait(Counters, lambda counters: counters.seq >= heard.seq + 2)
    share = (cpu_s(broker) - before) * NS_PER_S / (now_ns() - before_ns)
    assert share < 0.2
    assert sum("too few file descriptors" in line for line in broker.lines) == 1
    with BusClient(settings, name="later") as client:
        for stranger in idle:
            stranger.close()
        client.request(["SPY"])
        log.wait(SymbolsRequested, lambda request: request.client == "later")
    world.close()


SHORT_OF_FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from quotebus.bus.cli.program import main
sys.exit(main(["broker"]))
"""
