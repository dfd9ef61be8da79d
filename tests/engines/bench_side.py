"""One side of the benchmark as a process: `python -m tests.engines.bench_side read own PORT COUNT`.

A reader says `ready` when it is subscribed, and at the end its figures as JSON; so does a publisher.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import nats

from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.transport.line import Publisher
from quotebus.bus.transport.nats.access import NatsAccess
from quotebus.bus.transport.nats.engine import NatsEngine
from tests.support.nats_server import HOST

SYMBOLS = 100
BURST = 256
PAYLOAD = bytes(150)
TOPICS = [f"quote.S{number}" for number in range(SYMBOLS)]


def tell(count: int, wall_ns: int, cpu_s: float) -> None:
    print(json.dumps({"count": count, "per_s": count / (wall_ns / 1e9), "cpu_us": cpu_s / count * 1e6}), flush=True)


class Watch:
    """Wall and processor time from the first message to the last."""

    def __init__(self) -> None:
        self.seen = self._first = 0
        self._first_ns, self._first_s = 0, 0.0

    def take(self, count: int) -> None:
        if not self.seen:
            self._first_ns, self._first_s, self._first = now_ns(), time.process_time(), count
        self.seen += count

    def end(self) -> None:
        tell(self.seen - self._first, now_ns() - self._first_ns, time.process_time() - self._first_s)


def read_own(port: int, count: int) -> None:
    engine = NatsEngine(NatsAccess(((HOST, port),)))
    subscriber, publisher = engine.subscriber([f"{topic}\0".encode() for topic in TOPICS]), engine.requester()
    subscriber.connect()
    publisher.connect()
    await_up(publisher)
    subscriber.subscribe([b"counters.own\0"])
    publisher.send(b"counters.own\0")  # comes back: it is behind the subscriptions
    publisher.flush()
    assert subscriber.await_frame(10 * NS_PER_S)
    subscriber.take(1)
    print("ready", flush=True)
    watch = Watch()
    while watch.seen < count:
        if subscriber.await_frame(10 * NS_PER_S):
            watch.take(len(subscriber.take(BURST)))
    watch.end()
    engine.close(0)


def publish_own(port: int, count: int) -> None:
    engine = NatsEngine(NatsAccess(((HOST, port),)))
    publisher = engine.publisher()
    publisher.connect()
    await_up(publisher)
    frames = [f"{topic}\0".encode() + PAYLOAD for topic in TOPICS]
    began_ns, began_s = now_ns(), time.process_time()
    for number in range(count):
        while not publisher.send(frames[number % SYMBOLS]):
            publisher.await_room(NS_PER_S)
        if number % BURST == BURST - 1:
            publisher.flush()
    publisher.flush()
    tell(count, now_ns() - began_ns, time.process_time() - began_s)
    engine.close(5_000)


def await_up(publisher: Publisher) -> None:
    while not publisher.connected:
        publisher.await_news(10 * NS_PER_S)
        publisher.news()


async def read_peer(port: int, count: int) -> None:
    client = await nats.connect(f"nats://{HOST}:{port}", pending_size=1 << 30)
    watch, ended = Watch(), asyncio.Event()

    async def take(_: object) -> None:
        watch.take(1)
        if watch.seen == count:
            ended.set()

    for topic in TOPICS:
        await client.subscribe(f"quotebus.*.{topic}", cb=take, pending_msgs_limit=0, pending_bytes_limit=0)
    await client.flush()
    print("ready", flush=True)
    await asyncio.wait_for(ended.wait(), 120)
    watch.end()
    await client.close()


async def publish_peer(port: int, count: int) -> None:
    client = await nats.connect(f"nats://{HOST}:{port}")
    subjects = [f"quotebus.anyone.{topic}" for topic in TOPICS]
    began_ns, began_s = now_ns(), time.process_time()
    for number in range(count):
        await client.publish(subjects[number % SYMBOLS], PAYLOAD)
    await client.flush(120)
    tell(count, now_ns() - began_ns, time.process_time() - began_s)
    await client.close()


def main() -> None:
    does, whose, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    if whose == "own":
        (read_own if does == "read" else publish_own)(port, count)
    else:
        asyncio.run((read_peer if does == "read" else publish_peer)(port, count))


if __name__ == "__main__":
    main()
