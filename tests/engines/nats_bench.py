"""Our NATS wire beside nats-py through one server, in interleaved rounds: `python -m tests.engines bench --rounds 5`.

100-symbol quotes of 150 bytes, one publisher, one reader with 100 exact subscriptions. For each: messages a second from
the first to the last, microseconds of processor a message. The wire of our own is worth its lines while it has at least
4 times the messages and the reader needs at most a fifth of the processor.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.nats_server import NatsServer

LEAST_RATE, LEAST_CPU = 4.0, 5.0
KINDS = ("own", "nats-py")


def start(does: str, whose: str, port: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.engines.bench_side", does, whose, str(port), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def run_once(whose: str, port: int, count: int) -> dict[str, Any]:
    """Figures of one round; AssertionError when a message is missing."""
    reader = start("read", whose, port, count)
    assert reader.stdout is not None
    assert reader.stdout.readline().strip() == "ready"
    publisher = start("publish", whose, port, count)
    said, _ = publisher.communicate(timeout=150)
    heard, _ = reader.communicate(timeout=150)
    read, sent = json.loads(heard), json.loads(said)
    return {"per_s": read["per_s"], "read_us": read["cpu_us"], "sent_us": sent["cpu_us"]}


def run(folder: Path, rounds: int, count: int) -> bool:
    """Print the table; whether the bars hold."""
    server = NatsServer(folder)
    figures: dict[str, list[dict[str, Any]]] = {whose: [] for whose in KINDS}
    try:
        for number in range(rounds):
            for whose in KINDS if number % 2 == 0 else reversed(KINDS):
                figures[whose].append(run_once(whose, server.port, count))
    finally:
        server.stop()
    print(f"{'':10}{'messages/s':>12}{'reader µs':>12}{'publisher µs':>14}   medians of {rounds} rounds of {count}")
    for whose, each in figures.items():
        middle = {name: statistics.median(one[name] for one in each) for name in each[0]}
        print(f"{whose:10}{middle['per_s']:12,.0f}{middle['read_us']:12.2f}{middle['sent_us']:14.2f}")
    pairs = list(zip(figures["own"], figures["nats-py"], strict=True))
    rate = statistics.median(own["per_s"] / peer["per_s"] for own, peer in pairs)
    read = statistics.median(peer["read_us"] / own["read_us"] for own, peer in pairs)
    sent = statistics.median(peer["sent_us"] / own["sent_us"] for own, peer in pairs)
    print(f"own wire: {rate:.1f} x the messages (at least {LEAST_RATE}), reader {read:.1f} x less processor "
          f"(at least {LEAST_CPU}), publisher {sent:.1f} x less")  # fmt: skip
    return rate >= LEAST_RATE and read >= LEAST_CPU
