"""Many symbols and many clients: `python -m tests.perf.scale --symbols 10000 --clients 100`.

Real broker, exchange and node; the clients are real `BusClient`s spread over a few processes. The symbols are asked
for in equal, overlapping shares, so that every symbol is held by several clients. Printed beside their bounds: the
time until all are acknowledged, until every status was seen in rotation, what control work adds to the way of a quote
through the node (received to published, while clients ask, change and renew, against the same line at rest), memory a
symbol, processor.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from quotebus import BusClient, BusSettings
from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import ConnectionHealth, Quote, SymbolStatus
from tests.perf.figures import cpu_s, progress, quantile, rss_bytes
from tests.support.eventlog import EventLog
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[2]
HOLDERS = 5
"""Clients that hold each symbol."""
PROCESSES = 4


def clients() -> None:
    """One process of clients: `first count total symbols` and the subscribe and request URLs; obeys lines on stdin."""
    stand_back()
    first, count, total, symbols = (int(word) for word in sys.argv[2:6])
    settings = BusSettings(**{name.lower(): url for name, url in json.loads(sys.argv[6]).items()})
    share = max(1, symbols * min(HOLDERS, total) // total)
    everyone = [BusClient(settings, name=f"scale-{first + number}") for number in range(count)]
    wishes = [[f"S{(number * symbols // total + at) % symbols}" for at in range(share)]
              for number in range(first, first + count)]  # fmt: skip
    print("ready", flush=True)
    for line in sys.stdin:
        began = time.monotonic()
        order = line.strip()
        for client, wish in zip(everyone, wishes, strict=True):
            if order == "ask":
                client.request(wish)
            elif order == "change":
                client.discard(wish[-1])
                client.add(wish[-1])
        slowest = 0.0
        if order in ("ask", "change"):
            for client in everyone:
                while not all(result.acknowledged for result in client.results().values()):
                    if time.monotonic() - began > 60:
                        break
                    time.sleep(0.005)
                slowest = time.monotonic() - began
        elif order == "close":
            for client in everyone:
                client.close()
        acknowledged = sum(all(r.acknowledged for r in client.results().values()) for client in everyone)
        counters = [client.counters for client in everyone]
        answer = {
            "slowest_s": slowest,
            "acknowledged": acknowledged,
            "lost": sum(counter["lost"] for counter in counters),
            "requests": sum(counter["requests_sent"] for counter in counters),
        }
        print(json.dumps(answer), flush=True)


def stand_back() -> None:
    """The clients stand for programs on many machines: what is measured must not wait for their processor.

    Linux may weigh sessions before processes (autogroup, `man 7 sched`): then the session's weight is what counts.
    """
    os.nice(19)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("19")


def hiccups() -> None:
    """A process that only sleeps a millisecond at a time: how late it wakes is what the machine itself adds."""
    late: list[float] = []

    def sleep() -> None:
        while True:
            due = time.monotonic() + 0.001
            time.sleep(0.001)
            late.append((time.monotonic() - due) * 1000)

    threading.Thread(target=sleep, daemon=True).start()
    for _ in sys.stdin:
        taken, late[:] = late[:], []
        print(quantile(taken, 0.99), flush=True)


def start(world: World, number: int, options: argparse.Namespace) -> subprocess.Popen[str]:
    first = number * options.clients // PROCESSES
    count = (number + 1) * options.clients // PROCESSES - first
    urls = {name: url for name, url in world.environment.items() if name.startswith("BUS_")}
    numbers = [str(value) for value in (first, count, options.clients, options.symbols)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.perf.scale", "clients", *numbers, json.dumps(urls)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def machine_p99(meter: subprocess.Popen[str]) -> float:
    """How late a sleeping process woke since the last call, ms at p99."""
    assert meter.stdin is not None
    assert meter.stdout is not None
    meter.stdin.write("\n")
    meter.stdin.flush()
    return float(meter.stdout.readline())


def tell(processes: list[subprocess.Popen[str]], order: str) -> list[dict[str, Any]]:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(order + "\n")
        process.stdin.flush()
    answers = []
    for process in processes:
        assert process.stdout is not None
        answers.append(json.loads(process.stdout.readline()))
    return answers


def through_node(log: EventLog, since: int) -> list[float]:
    """Milliseconds from reading a quote to publishing it, for each quote since a position."""
    return [(quote.published_ns - quote.received_ns) / NS_PER_MS for quote in log.all(Quote, since=since)]


def longest_silence_s(log: EventLog, since: int) -> float:
    """The longest time from a position until a symbol's status was heard again."""
    first: dict[str, int] = {}
    for heard in log.heard[since:]:
        if isinstance(heard.event, SymbolStatus):
            first.setdefault(heard.event.symbol, heard.at_ns)
    return (max(first.values()) - log.heard[since].at_ns) / NS_PER_S


def measure(options: argparse.Namespace) -> dict[str, float]:
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        processes: list[subprocess.Popen[str]] = []
        opened: list[subprocess.Popen[str]] = []
        try:
            world.broker()
            world.environment["PRICING_LINGER_S"] = "60"
            exchange = world.exchange("--rate", str(options.rate))
            node = world.node()
            log = world.log(b"health.", b"symbol.", b"quote.S0", b"quote.S1", b"quote.S2", b"quote.S3")
            log.health("idle")
            empty = rss_bytes(node.pid)
            processes = [start(world, number, options) for number in range(PROCESSES)]
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline().strip() == "ready"
            meter = subprocess.Popen(
                [sys.executable, "-m", "tests.perf.scale", "hiccups"],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            opened.append(meter)
            progress("asking")
            cpu, at = cpu_s(node.pid), log.position()
            answers = tell(processes, "ask")
            figures["acknowledged"] = sum(answer["acknowledged"] for answer in answers)
            figures["ack_s"] = max(answer["slowest_s"] for answer in answers)
            figures["requests"] = sum(answer["requests"] for answer in answers)
            figures["ask_cpu_s"] = cpu_s(node.pid) - cpu
            figures["ask_ms"] = max(through_node(log, at), default=0.0)
            progress("waiting until all are live")
            began = time.monotonic()
            reached = [0]

            def all_live() -> bool:
                found = log.all(ConnectionHealth, since=max(0, log.position() - 3_000))
                reached[0] = found[-1].live if found else reached[0]
                return reached[0] >= options.symbols

            while not all_live() and time.monotonic() - began < 60:
                time.sleep(0.1)
            figures["live"], figures["live_s"] = reached[0], time.monotonic() - began
            figures["symbol_kib"] = (rss_bytes(node.pid) - empty) / options.symbols / 1024
            progress("watching the rotation")
            time.sleep(1)
            machine_p99(meter)
            position, cpu, began = log.position(), cpu_s(node.pid), time.monotonic()
            seen: set[str] = set()
            while len(seen) < options.symbols and time.monotonic() - began < 30:
                time.sleep(0.1)
                seen = {status.symbol for status in log.all(SymbolStatus, since=position)}
            figures["rest_cpu"] = (cpu_s(node.pid) - cpu) / (time.monotonic() - began)
            figures["rotation_s"] = longest_silence_s(log, position) if len(seen) == options.symbols else 99.0
            rest, figures["rest_machine"] = through_node(log, position), machine_p99(meter)
            position, cpu, began = log.position(), cpu_s(node.pid), time.monotonic()
            progress("clients change their wishes")
            for _ in range(options.changes):
                answers = tell(processes, "change")
            figures["change_s"] = (time.monotonic() - began) / options.changes
            figures["change_cpu_s"] = (cpu_s(node.pid) - cpu) / options.changes
            busy, figures["busy_machine"] = through_node(log, position), machine_p99(meter)
            for name, values in (("rest", rest), ("busy", busy)):
                figures |= {f"{name}_p50": quantile(values, 0.5), f"{name}_p99": quantile(values, 0.99),
                            f"{name}_max": max(values, default=0.0)}  # fmt: skip
            figures["lost"] = sum(answer["lost"] for answer in answers)
            figures["sockets"] = world.control.state()["tcp_accepted_total"]
            figures["exchange_up"] = float(exchange.process.poll() is None)
            tell(processes, "close")
        finally:
            for process in processes + opened:
                process.kill()
                process.wait()
                for pipe in (process.stdin, process.stdout):
                    assert pipe is not None
                    pipe.close()
            world.close()
    return figures


ROWS = (
    ("acknowledged", "clients acknowledged", "all"),
    ("ack_s", "until the last acknowledgement, s", "5"),
    ("requests", "requests sent for it, repeats included", ""),
    ("ask_cpu_s", "processor of the node for it, s", ""),
    ("live", "symbols live", "all"),
    ("live_s", "until all were live, s", ""),
    ("rotation_s", "every status seen again within, s", "10"),
    ("symbol_kib", "memory of the node a symbol, KiB", ""),
    ("rest_cpu", "processor of the node, no requests, share of a core", ""),
    ("change_s", "each client drops one and adds it, all answered, s", ""),
    ("change_cpu_s", "processor of the node for it, s", ""),
    ("ask_ms", "received to published while all ask, max ms", ""),
    ("rest_p50", "received to published at rest, p50 ms", ""),
    ("rest_p99", "… p99 ms", ""),
    ("rest_max", "… max ms", ""),
    ("rest_machine", "… a process that only sleeps wakes late by, p99 ms", ""),
    ("busy_p50", "… while wishes change, p50 ms", ""),
    ("busy_p99", "… p99 ms", "5"),
    ("busy_max", "… max ms", ""),
    ("busy_machine", "… a process that only sleeps wakes late by, p99 ms", ""),
    ("lost", "messages lost by the clients", "0"),
    ("sockets", "upstream sockets ever", "1"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make scale", description=__doc__)
    parser.add_argument("--symbols", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--rate", type=float, default=2_000, help="quotes a second over all symbols")
    parser.add_argument("--changes", type=int, default=3, help="times all clients change their wishes")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {options.rounds} rounds, "
          f"{options.symbols} symbols, {options.clients} clients in {PROCESSES} processes")  # fmt: skip
    rounds = []
    for number in range(options.rounds):
        progress(f"round {number + 1} of {options.rounds}")
        rounds.append(measure(options))
    progress("")
    print(f"{'':52} {'median':>10} {'worst':>10}  bound")
    medians = {}
    for name, text, bound in ROWS:
        values = [figures[name] for figures in rounds]
        medians[name] = statistics.median(values)
        worst = min(values) if bound == "all" else max(values)
        print(f"{text:52} {medians[name]:>10.2f} {worst:>10.2f}  {bound}")
    print(f"p99 of received to published, changing / at rest: {medians['busy_p99'] / medians['rest_p99']:.2f}")
    held = (medians["acknowledged"] == options.clients and medians["live"] == options.symbols
            and medians["ack_s"] <= 5 and medians["rotation_s"] <= 10 and medians["sockets"] == 1
            and not any(figures["lost"] for figures in rounds))  # fmt: skip
    print(f"all answered in 5 s, all live, statuses within 10 s, one socket, nothing lost: {'yes' if held else 'NO'}")
    return 0 if held else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["clients"]:
        clients()
    elif sys.argv[1:2] == ["hiccups"]:
        hiccups()
    else:
        sys.exit(main())
