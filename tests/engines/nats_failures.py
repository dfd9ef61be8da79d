"""Servers of a cluster killed and frozen under a real node and real clients: `make engines ARGS="kill --times 100"`.

Three servers, the simulated exchange at 200 quotes/s, a node, clients that look every 5 ms whether their price may be
used, and raw readers that count what is missing. `kill`: one server, with SIGKILL. `freeze`: one server stopped for
6 s, while a symbol halts whose older state is stuck in it. `outage`: all three killed, back after 2 s.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from quotebus import BusClient
from quotebus.bus import codec, topics
from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns
from quotebus.bus.events import Event, Quote
from quotebus.bus.sequence import SequenceTracker
from quotebus.bus.transport.nats.access import NatsAccess
from quotebus.bus.transport.nats.engine import NatsEngine
from tests.perf.figures import progress, quantile
from tests.support.nats_server import TEXT, NatsCluster, NatsServer, access_to
from tests.support.programs import eventually
from tests.support.world import World

CLIENTS, READERS = 3, 2
SYMBOL, HALTING = "SPY", "QQQ"
LOOK_S = 0.005
CALM_S = 1.0
"""Usable for so long: it is over."""
FROZEN_S = 6.0
MAX_AGE_S = 5.0
"""The oldest price that a client here may call usable."""


class ClusterWorld(World):
    """A world over three servers."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, engine="nats")
        self.cluster = NatsCluster(folder, TEXT)
        self.environment["BUS_URL"] = "nats://" + ",".join(
            server.url.removeprefix("nats://") for server in self.cluster.servers
        )

    def close(self) -> None:
        super().close()
        self.cluster.stop()


class RawReader:
    """Everything of the node's, straight from the wire, in a thread."""

    def __init__(self, access: NatsAccess) -> None:
        self.longest_silence_s = 0.0
        self.late = self.received = 0
        self._numbers = SequenceTracker()
        self._first = self._newest = self._quotes = 0
        self._engine = NatsEngine(access)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def unaccounted(self) -> int:
        """Quotes published since the first one, less those received and those counted as lost."""
        return self._newest - self._first + 1 - self._quotes - self._numbers.lost if self._first else -1

    @property
    def lost(self) -> int:
        return self._numbers.lost

    def forget_silence(self) -> None:
        self.longest_silence_s = 0.0

    def close(self) -> None:
        self._ending.set()
        self._thread.join(5)

    def _run(self) -> None:
        subscriber = self._engine.subscriber([f"quote.{SYMBOL}\0".encode()], watched=True)
        subscriber.connect()
        last_ns = 0
        while not self._ending.is_set():
            subscriber.news()
            if not subscriber.await_frame(50 * NS_PER_MS):
                continue
            for frame in subscriber.take(1_000):
                self.received += 1
                self._take(codec.decode(frame))
            if last_ns:
                self.longest_silence_s = max(self.longest_silence_s, (now_ns() - last_ns) / NS_PER_S)
            last_ns = now_ns()
        subscriber.close()
        self._engine.close(0)

    def _take(self, event: Event) -> None:
        assert isinstance(event, Quote)
        topic = topics.prefix(topics.quote(event.symbol))
        if self._numbers.observe(event.source, topic, event.seq, event.published_ns) < 0:
            self.late += 1
            return
        self._first = self._first or event.seq
        self._newest = event.seq
        self._quotes += 1


@dataclass
class Looks:
    """What one client's looks have shown since `begin`."""

    unusable_s: float = 0.0
    last_bad_ns: int = 0
    oldest_s: float = 0.0
    """Age of the oldest price that was called usable."""
    reasons: set[str] = field(default_factory=set)


class Stage:
    """The world, its clients, and somebody who looks."""

    def __init__(self, world: World, access: NatsAccess) -> None:
        """`access` is the readers'."""
        self.world = world
        self.world.exchange("--rate", "200")
        self.world.node()
        self.clients: list[BusClient] = [
            self.world.client(f"client{number}", max_age_s=MAX_AGE_S) for number in range(CLIENTS)
        ]
        for client in self.clients:
            client.request([SYMBOL, HALTING], wait_s=20)
        self.readers = [RawReader(access) for _ in range(READERS)]
        self.looks = [Looks() for _ in self.clients]
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        self.await_calm()

    def stop_reading(self) -> None:
        """What the readers have counted stands from now on."""
        for reader in self.readers:
            reader.close()

    def close(self) -> None:
        self._ending.set()
        self._thread.join(5)
        self.stop_reading()
        self.world.close()

    def begin(self) -> int:
        for looks in self.looks:
            looks.unusable_s, looks.reasons = 0.0, set()
        for reader in self.readers:
            reader.forget_silence()
        return now_ns()

    def await_calm(self, within_s: float = 30) -> None:
        """Until every client has called its price usable for a while."""
        began_ns = now_ns()
        eventually(
            lambda: all(now_ns() - max(looks.last_bad_ns, began_ns) > CALM_S * NS_PER_S for looks in self.looks),
            within_s=within_s,
            why="every client's price is usable",
        )

    def knows_halt(self, halt: str) -> bool:
        found = [client.status(HALTING) for client in self.clients]
        return all(status is not None and status.halt == halt for status in found)

    def await_trading(self) -> None:
        eventually(lambda: self.knows_halt("trading") or self.knows_halt("presumed"), why="the symbol trades")

    def _look(self) -> None:
        last_ns = now_ns()
        while not self._ending.wait(LOOK_S):
            at_ns = now_ns()
            for client, looks in zip(self.clients, self.looks, strict=True):
                verdict = client.assess(SYMBOL)
                if verdict.usable:
                    quote = client.last_quote(SYMBOL)
                    assert quote is not None
                    looks.oldest_s = max(looks.oldest_s, (time.time_ns() - quote.published_ns) / NS_PER_S)
                else:
                    looks.unusable_s += (at_ns - last_ns) / NS_PER_S
                    looks.last_bad_ns = at_ns
                    looks.reasons |= {str(reason) for reason in verdict.reasons}
            last_ns = at_ns


def kill(stage: Stage, server: NatsServer) -> tuple[list[float], int]:
    """How long each client's price was not usable; 0 late statuses believed."""
    began_ns = stage.begin()
    server.kill()
    stage.await_calm()
    taken = [max(0.0, (looks.last_bad_ns - began_ns) / NS_PER_S) for looks in stage.looks]
    server.start()
    server.wait_for_routes(2)
    return taken, 0


def freeze(stage: Stage, server: NatsServer) -> tuple[list[float], int]:
    """As `kill`, and how many clients have believed an older state of the halted symbol."""
    stage.await_trading()
    began_ns = stage.begin()
    server.freeze()
    time.sleep(0.3)  # how long states from before gather in it, no wait for something to happen
    stage.world.control.halt(HALTING)
    eventually(lambda: stage.knows_halt("halted"), within_s=20, why="the halt is known")
    believed = 0
    thaws_ns = began_ns + int(FROZEN_S * NS_PER_S)
    thawed = False
    while now_ns() < thaws_ns + 2 * NS_PER_S:
        if not thawed and now_ns() >= thaws_ns:
            server.thaw()
            thawed = True
        believed += not stage.knows_halt("halted")
        time.sleep(LOOK_S)  # from one look to the next, no wait for something to happen
    stage.await_calm()
    stage.world.control.resume(HALTING)
    stage.await_trading()
    return [max(0.0, (looks.last_bad_ns - began_ns) / NS_PER_S) for looks in stage.looks], believed


def outage(stage: Stage, _: NatsServer) -> tuple[list[float], int]:
    """All three killed: how long after their return each client's price was usable again."""
    stage.begin()
    assert isinstance(stage.world, ClusterWorld)
    servers = stage.world.cluster.servers
    for server in servers:
        server.kill()
    time.sleep(2)  # the outage's length, no wait for something to happen
    began_ns = now_ns()
    for server in servers:
        server.start()
    up_ns = now_ns()
    stage.await_calm()
    took = [max(0.0, (looks.last_bad_ns - up_ns) / NS_PER_S) for looks in stage.looks]
    print(f"  servers took {(up_ns - began_ns) / NS_PER_S:.1f} s to start")
    return took, 0


PLAYS: dict[str, tuple[Callable[[Stage, NatsServer], tuple[list[float], int]], float]] = {
    "kill": (kill, 1.0),
    "freeze": (freeze, 5.0),
    "outage": (outage, 2.0),
}
"""What is done, and within how many seconds each price is to be usable again at p95."""


def run(folder: Path, verb: str, times: int) -> bool:
    """Print what was found; whether it is within its bounds."""
    play, bound_s = PLAYS[verb]
    took: list[float] = []
    silences: list[float] = []
    believed = 0
    world = ClusterWorld(folder)
    stage = Stage(world, access_to(*world.cluster.servers))
    try:
        for number in range(times):
            progress(f"{verb} {number + 1} of {times}")
            server = random.choice(world.cluster.servers)
            each, wrong = play(stage, server)
            took += each
            believed += wrong
            silences += [reader.longest_silence_s for reader in stage.readers]
        progress("")
        stage.stop_reading()
        unaccounted = [reader.unaccounted() for reader in stage.readers]
        oldest_s = max(looks.oldest_s for looks in stage.looks)
        print(
            f"{verb} x {times}, {CLIENTS} clients: usable again after p50 {quantile(took, 0.5):.2f} p95 "
            f"{quantile(took, 0.95):.2f} max {max(took):.2f} s (p95 at most {bound_s}); untouched "
            f"{sum(each == 0 for each in took)} of {len(took)}\n"
            f"  longest silence of a reader p50 {quantile(silences, 0.5):.2f} max {max(silences):.2f} s\n"
            f"  {sum(reader.received for reader in stage.readers):,} quotes received, "
            f"{sum(reader.lost for reader in stage.readers):,} lost and counted, "
            f"{sum(reader.late for reader in stage.readers):,} late and dropped, unaccounted {unaccounted}\n"
            f"  older states of a halted symbol believed: {believed}; oldest price called usable {oldest_s:.2f} s "
            f"(at most {MAX_AGE_S})"
        )
    finally:
        stage.close()
    within = quantile(took, 0.95) <= bound_s and oldest_s <= MAX_AGE_S + LOOK_S
    return within and not believed and not any(unaccounted)
