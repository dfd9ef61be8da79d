"""A forger beside an honest node: `python -m tests.perf.poison --frames 100000`.

Real broker, exchange, node and client. The forger publishes, at the broker's publish endpoint, mutated copies of what
the node itself published last: bits flipped, fields at extremes, other topics, cut short, in several parts. The client
is looked at every 20 ms. The exit status is 0 when its price was usable in at least 99 of 100 looks, and again within
six seconds of the forger's end.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import msgpack
import zmq

from quotebus.bus import topics
from quotebus.bus.transport.zeromq.coverage import Coverage
from quotebus.bus.transport.zeromq.sockets import Role, make
from tests.perf.figures import progress
from tests.support.programs import eventually
from tests.support.world import World

SYMBOLS = ("SPY", "QQQ", "AAPL")
TARGET, HEALED_S, LOOK_S = 0.99, 6.0, 0.02
EXTREMES = (0, -1, 1, 2**31, 2**60, 2**63 - 1, 2**64 - 1, -(2**63), None, True, float("nan"), float("inf"),
            "", "x" * 10_000, "halted", "stopped", [], [[]], b"\xc1")  # fmt: skip


class Forger(threading.Thread):
    """Hears everything and sends mutated copies."""

    def __init__(self, world: World, frames: int, rate: int, ahead: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self._world, self._frames, self._rate, self._ahead = world, frames, rate, ahead
        self._random = random.Random(seed)
        self._heard: dict[bytes, bytes] = {}

    def run(self) -> None:
        settings = self._world.settings()
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        publisher, subscriber = make(context, Role.PUBLISH), make(context, Role.SUBSCRIBE)
        publisher.connect(settings.bus_publish_url)
        for prefix in (b"quote.", b"trade.", b"symbol", b"health."):
            subscriber.subscribe(prefix)
        subscriber.connect(settings.bus_subscribe_url)
        coverage, own = Coverage(), set[int]()
        began = time.monotonic()
        while self.sent < self._frames:
            while publisher.poll(0):
                coverage.feed(publisher.recv())
            while subscriber.poll(0):
                frame = subscriber.recv()
                if hash(frame) not in own and not frame.startswith(topics.REQUESTED.encode()):
                    self._heard[frame.partition(b"\0")[0]] = frame
            due = int((time.monotonic() - began) * self._rate) - self.sent
            if due <= 0 or not self._heard:
                time.sleep(0.001)
                continue
            for _ in range(min(due, 100)):
                parts = self._forge()
                own.update(map(hash, parts))
                publisher.send_multipart(parts)
                self.sent += 1
        context.destroy(linger=1_000)

    def _forge(self) -> list[bytes]:
        pick = self._random
        frame = pick.choice(list(self._heard.values()))
        topic, _, payload = frame.partition(b"\0")
        match pick.randrange(10):
            case 0 | 1 | 2:
                bits = bytearray(payload)
                for _ in range(pick.choice((1, 1, 1, 2, 5))):
                    bits[pick.randrange(len(bits))] ^= 1 << pick.randrange(8)
                return [topic + b"\0" + bytes(bits)]
            case 3 | 4 | 5 | 6:
                fields = msgpack.unpackb(payload)
                fields[pick.randrange(len(fields))] = pick.choice(EXTREMES)
                if pick.random() < self._ahead:
                    fields[2] = _ahead(fields[2], pick)
                return [topic + b"\0" + msgpack.packb(fields)]
            case 7:
                return [pick.choice(list(self._heard)) + b"\0" + payload]
            case 8:
                return [frame[: pick.randrange(len(frame))]]
            case _:
                return [frame, topic + b"\0" + payload, b"x"][: pick.randrange(2, 4)]


def _ahead(seq: object, pick: random.Random) -> object:
    return seq + pick.choice((1, 1, 2, 50, 2**40)) if isinstance(seq, int) and -(2**62) < seq < 2**62 else seq


def run(frames: int, rate: int, ahead: float, seed: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        try:
            return _measure(world, frames, rate, ahead, seed)
        finally:
            world.close()


def _measure(world: World, frames: int, rate: int, ahead: float, seed: int) -> bool:
    world.broker()
    world.exchange("--rate", "200")
    world.node()
    client = world.client("honest")
    client.request(SYMBOLS, wait_s=20)
    eventually(lambda: all(client.usable(symbol) for symbol in SYMBOLS), 20)
    before = client.counters
    forger = Forger(world, frames, rate, ahead, seed)
    forger.start()
    looks, usable = 0, 0
    why: Counter[str] = Counter()
    while forger.is_alive():
        for symbol in SYMBOLS:
            verdict = client.assess(symbol)
            looks += 1
            usable += verdict.usable
            why.update(map(str, verdict.reasons))
        progress(f"{forger.sent:,} of {frames:,} frames")
        time.sleep(LOOK_S)
    ended = time.monotonic()
    while not all(client.usable(symbol) for symbol in SYMBOLS) and time.monotonic() - ended < 60:
        time.sleep(LOOK_S)
    healed_s = time.monotonic() - ended
    counted = {name: count - before[name] for name, count in client.counters.items() if count != before[name]}
    share = usable / max(1, looks)
    print(f"seed {seed}: {forger.sent:,} frames at {rate:,}/s; usable in {usable:,} of {looks:,} looks, {share:.2%}")
    print(f"usable again {healed_s:.2f} s after the end; reasons meanwhile: {dict(why.most_common())}")
    print(f"the client counted {counted}")
    return share >= TARGET and healed_s <= HEALED_S


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=2_500, help="forged frames a second")
    parser.add_argument("--ahead", type=float, default=0.0, help="share of the extremes sent under a number to come")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    good = run(arguments.frames, arguments.rate, arguments.ahead, arguments.seed)
    print(f"at least {TARGET:.0%} of looks, healed within {HEALED_S:.0f} s: {'yes' if good else 'NO'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
