"""Does an answer prove the subscriptions made before its question? Across a cluster's route, and through a leaf node.

One side subscribes to data, then to its answer, and asks, all on one connection; the other side, at another server,
sends the data and then the answer the moment the question comes. What is missing when the answer has come was not
subscribed to in time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.transport.nats.access import NatsAccess
from quotebus.bus.transport.nats.ends import NatsPublisher, NatsSubscriber
from quotebus.bus.transport.nats.engine import NatsEngine
from tests.perf.figures import progress
from tests.support.nats_server import HOST, TEXT, NatsCluster, NatsServer, access_to, free_port
from tests.support.programs import eventually

TOPICS = 10
QUESTION = b"symbols.requested\0"


class Answering:
    """Sends to each topic that a question names, and the answer last, in a thread."""

    def __init__(self, access: NatsAccess) -> None:
        self._engine = NatsEngine(access)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        self._thread.join(5)

    def _run(self) -> None:
        subscriber, publisher = self._engine.subscriber([QUESTION]), self._engine.publisher()
        subscriber.connect()
        publisher.connect()
        while not self._ending.is_set():
            if not subscriber.await_frame(20 * NS_PER_MS):
                continue
            for frame in subscriber.take(100):
                for topic in frame.removeprefix(QUESTION).split(b" "):
                    publisher.send(topic + b"\0x")
            publisher.flush()
        self._engine.close(0)


def prove(asking: NatsAccess, answering: NatsAccess, times: int) -> int:
    """How many messages were missing when their answer had come."""
    answerer = Answering(answering)
    engine = NatsEngine(asking)
    subscriber, publisher = engine.subscriber(), engine.requester()
    subscriber.connect()
    publisher.connect()
    eventually(lambda: publisher.news() or publisher.connected)
    missing = 0
    try:
        eventually(lambda: _ask(subscriber, publisher, [b"order.up"], b"report.up", 50 * NS_PER_MS) is not None)
        for number in range(times):
            if number % 100 == 0:
                progress(f"{number} of {times}")
            topics = [b"quote.S%d.%d" % (number, each) for each in range(TOPICS)]
            came = _ask(subscriber, publisher, topics, b"report.a%d" % number, 20 * NS_PER_S)
            assert came is not None, "no answer"
            missing += TOPICS - came
        progress("")
    finally:
        answerer.close()
        engine.close(0)
    return missing


def _ask(
    subscriber: NatsSubscriber, publisher: NatsPublisher, topics: list[bytes], answer: bytes, wait_ns: int
) -> int | None:
    """How many data messages came before the answer; None without one."""
    ends = [topic + b"\0" for topic in (*topics, answer)]
    subscriber.subscribe(ends[:-1])
    subscriber.subscribe(ends[-1:])
    publisher.send(QUESTION + b" ".join((*topics, answer)))
    publisher.flush()
    frames: list[bytes] = []
    found = None
    while found is None and subscriber.await_frame(wait_ns):
        frames += subscriber.take(1_000)
        if ends[-1] + b"x" in frames:
            found = sum(frame[:-1] in ends[:-1] for frame in frames)
    subscriber.unsubscribe(ends)
    return found


@contextmanager
def cluster_and_leaf(folder: Path) -> Iterator[tuple[NatsCluster, NatsServer]]:
    """Three servers, and one that is a leaf of the first."""
    port = free_port()
    cluster = NatsCluster(folder, TEXT, first=f'leafnodes {{ listen: "{HOST}:{port}" }}')
    leaf = NatsServer(
        folder, name="leaf", text=f'{TEXT}\nleafnodes {{ remotes: [ {{ url: "nats-leaf://{HOST}:{port}" }} ] }}'
    )
    try:
        eventually(lambda: any("Leafnode connection created" in line for line in leaf.running.lines))
        yield cluster, leaf
    finally:
        leaf.stop()
        cluster.stop()


def run(folder: Path, times: int) -> bool:
    """Print what is missing; whether nothing is."""
    with cluster_and_leaf(folder) as (cluster, leaf):
        one, other = access_to(cluster.servers[0]), access_to(cluster.servers[1])
        found = {"route": prove(one, other, times), "leaf": prove(access_to(leaf), other, times)}
    for way, missing in found.items():
        print(f"{times:,} questions over a {way}, {TOPICS} new subscriptions each: {missing} messages missing")
    return not any(found.values())
