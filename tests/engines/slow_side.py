"""One side of `nats_slow` as a process: `python -m tests.engines.slow_side read PORT`."""

from __future__ import annotations

import json
import os
import select
import struct
import sys
import time

from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns
from quotebus.bus.transport.nats.access import NatsAccess
from quotebus.bus.transport.nats.engine import NatsEngine
from tests.engines.bench_side import await_up
from tests.engines.nats_slow import RATE, SECONDS, SIZE
from tests.perf.figures import quantile
from tests.support.nats_server import HOST

_STAMP = struct.Struct("<qq")
_TICK_S = 0.002


def read(port: int) -> None:
    engine = NatsEngine(NatsAccess(((HOST, port),)))
    subscriber, publisher = engine.subscriber([b"quote."], watched=True), engine.requester()
    subscriber.connect()
    publisher.connect()
    await_up(publisher)
    publisher.send(b"quote.own\0")  # comes back: it is behind the subscription
    publisher.flush()
    assert subscriber.await_frame(10 * NS_PER_S)
    subscriber.take(1)
    print("ready", flush=True)
    took_ms: list[float] = []
    numbers: list[int] = []
    ended = False
    while True:
        subscriber.news()
        if subscriber.await_frame((200 if ended else 20) * NS_PER_MS):
            frames = subscriber.take(1_000)
            at_ns = now_ns()
            for frame in frames:
                if len(frame) > _STAMP.size + 10:
                    number, sent_ns = _STAMP.unpack_from(frame, frame.index(0) + 1)
                    numbers.append(number)
                    took_ms.append((at_ns - sent_ns) / 1e6)
        elif ended:
            break  # nothing is under way any more
        ended = ended or bool(select.select([sys.stdin], [], [], 0)[0])
    lost = numbers[-1] - numbers[0] + 1 - len(set(numbers)) if numbers else -1
    print(json.dumps({"p50_ms": quantile(took_ms, 0.5), "p99_ms": quantile(took_ms, 0.99), "lost": lost}), flush=True)
    engine.close(0)


def publish(port: int) -> None:
    engine = NatsEngine(NatsAccess(((HOST, port),)))
    publisher = engine.publisher()
    publisher.connect()
    await_up(publisher)
    padding = os.urandom(SIZE - _STAMP.size)
    began_ns, sent, worst_ns = now_ns(), 0, 0
    while (at_ns := now_ns()) - began_ns < SECONDS * NS_PER_S:
        due = (at_ns - began_ns) * RATE // NS_PER_S
        burst_ns = now_ns()
        while sent < due:
            frame = b"quote.S%d\0" % (sent % 100) + _STAMP.pack(sent, now_ns()) + padding
            while not publisher.send(frame):
                publisher.await_room(NS_PER_S)
                publisher.news()
            sent += 1
        publisher.flush()
        worst_ns = max(worst_ns, now_ns() - burst_ns)
        publisher.news()
        time.sleep(_TICK_S)  # its pace, no wait for something to happen
    print(json.dumps({"sent": sent, "worst_ms": worst_ns / 1e6}), flush=True)
    engine.close(5_000)


if __name__ == "__main__":
    {"read": read, "publish": publish}[sys.argv[1]](int(sys.argv[2]))
