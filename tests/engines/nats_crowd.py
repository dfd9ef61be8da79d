"""1,000 connections at once ask a real node for 100 of 10,000 symbols each, and renew: `make engines ARGS=crowd`.

All are in this one process. Each subscribes to two topics a symbol and to its answer, asks, and repeats every 500 ms
until it is answered, as clients do.
"""

from __future__ import annotations

import select
import time
from dataclasses import dataclass
from pathlib import Path

from quotebus.bus import codec, topics
from quotebus.bus.clock import NS_PER_S, now_ns, utc_ns
from quotebus.bus.events import SymbolsAcknowledged, SymbolsRequested
from quotebus.bus.sequence import Stamper
from quotebus.bus.transport.nats.ends import NatsPublisher, NatsSubscriber
from quotebus.bus.transport.nats.engine import NatsEngine
from tests.perf.figures import cpu_s, quantile, rss_bytes
from tests.support.nats_server import access_to
from tests.support.world import World

SYMBOLS, EACH = 10_000, 100
MOST_S, MOST_MIB, MOST_RENEWAL_MS = 3.0, 200, 100
REPEAT_NS = NS_PER_S // 2
RENEWALS_S = 10
_ACKNOWLEDGED = topics.ACKNOWLEDGED.encode()


@dataclass
class Asker:
    """One connection."""

    name: str
    engine: NatsEngine
    subscriber: NatsSubscriber
    publisher: NatsPublisher
    stamper: Stamper
    symbols: tuple[str, ...]
    asked_ns: int = 0
    sent_ns: int = 0
    question: str = ""
    answered: bool = False

    def ask(self, number: int) -> None:
        """Another question."""
        self.question, self.asked_ns, self.answered = f"{self.name}-{number}", now_ns(), False
        self.say()

    def say(self) -> None:
        """The question, also again."""
        request = SymbolsRequested(
            client=self.name, request_id=self.question, symbols=self.symbols, channels=("quotes",),
            priority=0, ttl_ms=15_000, snapshot=True,
        )  # fmt: skip
        self.sent_ns = now_ns()
        self.publisher.send(self.stamper.frame(request, utc_ns()))
        self.publisher.flush()

    def take(self) -> None:
        """Read what has come, and look for the answer."""
        for frame in self.subscriber.take(1_000):
            if frame.startswith(_ACKNOWLEDGED):
                event = codec.decode(frame)
                assert isinstance(event, SymbolsAcknowledged)
                if event.request_id == self.question:
                    assert [row.symbol for row in event.results] == list(self.symbols)
                    self.answered = True


def open_askers(world: World, count: int) -> list[Asker]:
    askers = []
    for number in range(count):
        engine = NatsEngine(access_to(world.carrier))
        name = f"crowd{number}"
        symbols = tuple(f"S{(number * 37 + each * 101) % SYMBOLS}" for each in range(EACH))
        prefixes = [topics.prefix(topic) for each in symbols for topic in (topics.quote(each), topics.status(each))]
        subscriber = engine.subscriber([*prefixes, topics.prefix(topics.acknowledged(name))])
        publisher = engine.requester()
        subscriber.connect()
        publisher.connect()
        askers.append(Asker(name, engine, subscriber, publisher, Stamper(f"{name}-{number:06x}"), symbols))
    return askers


class Loop:
    """epoll(7) over all connections: poll(2) would look at each of them in every turn."""

    def __init__(self, askers: list[Asker]) -> None:
        self._epoll = select.epoll()
        self._by_number = {asker.subscriber.line.fileno(): asker for asker in askers}
        for number in self._by_number:
            self._epoll.register(number, select.EPOLLIN)
        self._next_tend_ns = 0

    def turn(self) -> None:
        """Take what has come, of at most 100 connections: all of the others wait for their repeats meanwhile."""
        for number, _ in self._epoll.poll(0.02, 100):
            self._by_number[number].take()
        if now_ns() >= self._next_tend_ns:  # each PINGs once a second
            self._next_tend_ns = now_ns() + NS_PER_S // 4
            for asker in self._by_number.values():
                asker.subscriber.line.tend()


def run(folder: Path, connections: int) -> bool:
    """Print the figures; whether they are within their bounds."""
    world = World(folder, engine="nats")
    askers: list[Asker] = []
    try:
        server = world.broker()
        world.exchange("--rate", "1000")
        node = world.node()
        world.log(b"health.").health("idle")  # one that has just started listens first, and answers nobody
        began_ns = now_ns()
        askers = open_askers(world, connections)
        loop = Loop(askers)
        while not all(asker.subscriber.line.up for asker in askers):
            loop.turn()
        up_ns = now_ns()
        for asker in askers:
            asker.ask(1)
        answered_ns = repeats = 0
        while not answered_ns and now_ns() - up_ns < 60 * NS_PER_S:
            loop.turn()
            waiting = [asker for asker in askers if not asker.answered]
            for asker in waiting:
                if now_ns() - asker.sent_ns > REPEAT_NS:
                    repeats += 1
                    asker.say()
            answered_ns = 0 if waiting else now_ns()
        assert answered_ns, f"{sum(not asker.answered for asker in askers)} are not answered"
        took_ms = _renew(askers, loop)
        used = {"server": cpu_s(server.pid), "node": cpu_s(node.pid), "askers": time.process_time()}
        mib = rss_bytes(server.pid) / 2**20
    finally:
        for asker in askers:
            asker.engine.close(0)
        world.close()
    connected_s, asked_s = (up_ns - began_ns) / NS_PER_S, (answered_ns - up_ns) / NS_PER_S
    print(
        f"{connections:,} connections x {EACH} of {SYMBOLS:,} symbols: connected in {connected_s:.2f} s, "
        f"all answered {asked_s:.2f} s later (at most {MOST_S}), {repeats} questions repeated\n"
        f"  renewals spread over {RENEWALS_S} s: answered after p50 {quantile(took_ms, 0.5):.0f} p99 "
        f"{quantile(took_ms, 0.99):.0f} ms (at most {MOST_RENEWAL_MS})\n"
        f"  server {mib:.0f} MiB (at most {MOST_MIB}); processor s: "
        + ", ".join(f"{name} {seconds:.1f}" for name, seconds in used.items())
    )
    return asked_s <= MOST_S and mib <= MOST_MIB and quantile(took_ms, 0.99) <= MOST_RENEWAL_MS


def _renew(askers: list[Asker], loop: Loop) -> list[float]:
    """Each once, evenly; how long each answer took."""
    took_ms: list[float] = []
    waiting: list[Asker] = []
    began_ns, done = now_ns(), 0
    while len(took_ms) < len(askers) and now_ns() - began_ns < 3 * RENEWALS_S * NS_PER_S:
        due = min(len(askers), (now_ns() - began_ns) * len(askers) // (RENEWALS_S * NS_PER_S))
        for asker in askers[done:due]:
            asker.ask(2)
            waiting.append(asker)
        done = due
        loop.turn()
        took_ms += [(now_ns() - asker.asked_ns) / 1e6 for asker in waiting if asker.answered]
        waiting = [asker for asker in waiting if not asker.answered]
    return took_ms + [float("inf")] * len(waiting)
