"""How long until every symbol is usable again after a kill -9: `make returns ARGS="--times 10 --symbols 10000"`.

Real broker, exchange, node and client programs. What is killed:

- `node`: started again after what `quotebus up` waits before it does;
- `standby`: the node, with a second one that waits beside it in the same lock folder;
- `broker`: started again on its ports after the same wait.

Each client asks for its share of the symbols and judges every one with `assess` until it is usable: after a node's end
with a quote of the new node. Printed are the instants of each step counted from the kill, and what processor time the
programs took for it. The simulated exchange sends each new symbol its first quote within 0.8 s; that is its share.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from quotebus.bus.cli.restarts import FIRST_PAUSE_NS
from quotebus.bus.clock import NS_PER_S, now_ns, sleep_s, to_utc_ns
from quotebus.bus.events import ConnectionHealth, SymbolsAcknowledged, SymbolsRequested
from tests.perf.figures import cpu_s, progress, quantile
from tests.support.eventlog import EventLog
from tests.support.programs import Program
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[2]
KILLS = ("node", "standby", "broker")
BOUNDS_S = {"node": 5.0, "standby": 5.0, "broker": 2.0}
CALM_S = 1.5
"""Between two kills."""
STEPS = (
    ("exit", "its end is noticed"),
    ("started", "started again: its first health, or its endpoints"),
    ("active", "a node is active"),
    ("asked", "the last client has asked"),
    ("answered", "the last client is answered"),
    ("connecting", "dials"),
    ("authenticating", "connected"),
    ("subscribing", "authenticated"),
    ("streaming", "the first subscribe is acknowledged"),
    ("subscribed", "the exchange has subscribed the last symbol"),
    ("read", "the node has read the last symbol's first quote"),
    ("published", "the node has published it"),
    ("first", "the first symbol is usable"),
    ("last", "the last symbol is usable"),
)
PROGRAMS = ("node", "broker", "exchange", "clients")


class Client:
    """One process of `tests.perf.returning`."""

    def __init__(self, world: World, name: str, first: int, count: int) -> None:
        urls = {key.lower(): url for key, url in world.environment.items() if key.startswith("BUS_")}
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.perf.returning", name, str(first), str(count), json.dumps(urls)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, f"{self.name} has ended"
        return line

    def watch(self, kill: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{kill}\n")
        self._process.stdin.flush()
        assert self.line() == "watching"

    def answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.line())
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


@dataclass
class Rig:
    """The programs of one series."""

    world: World
    log: EventLog
    exchange: Program
    broker: Program
    node: Program
    standby: Program | None
    clients: list[Client] = field(default_factory=list)
    symbols: int = 0


@contextlib.contextmanager
def running(kill: str, options: argparse.Namespace) -> Iterator[Rig]:
    """Everything started, and every symbol usable."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), forked=False)
        world.environment["PYTHONDONTWRITEBYTECODE"] = ""  # a program that is started again finds itself compiled
        clients: list[Client] = []
        try:
            broker = world.broker()
            exchange = world.exchange("--rate", str(options.rate), "--batch", "50")
            node = world.node()
            log = world.log(b"health.", b"symbols.")
            share = options.symbols // options.clients
            clients += [Client(world, f"return-{n}", n * share, share) for n in range(options.clients)]
            standby = start_beside(world, log) if kill == "standby" else None
            for client in clients:
                assert client.line() == "ready"
            yield Rig(world, log, exchange, broker, node, standby, clients, share * options.clients)
        finally:
            for client in clients:
                client.close()
            world.close()


def start_beside(world: World, log: EventLog) -> Program:
    """A node beside the active one, in the same lock folder, once it waits."""
    position = log.position()
    program = world.start("pricing-node")
    log.wait(
        ConnectionHealth, lambda health: health.state == "standby" and health.cause == "other_node", since=position
    )
    return program


def measure(rig: Rig, kill: str) -> dict[str, float]:
    """Kill once: seconds from the kill to each step, and processor time of each program."""
    log = rig.log
    log.health("streaming")
    position, lines = log.position(), len(rig.exchange.lines)
    former = log.all(ConnectionHealth, lambda health: health.state == "streaming")[-1].source
    for client in rig.clients:
        client.watch(kill)
    victim = rig.broker if kill == "broker" else rig.node
    cpu = {name: cpu_s(program.pid) for name, program in programs(rig, kill).items()}
    killed_ns = now_ns()
    victim.process.kill()
    victim.process.wait()
    steps = {"exit": now_ns()}
    if kill != "standby":
        sleep_s(FIRST_PAUSE_NS / NS_PER_S)
    if kill == "node":
        rig.node = rig.world.start("pricing-node")
    elif kill == "broker":
        rig.broker = rig.world.broker()
        steps["started"] = now_ns()
    else:
        assert rig.standby is not None
        rig.node = rig.standby
    answers = [client.answer() for client in rig.clients]
    after = {name: cpu_s(program.pid) for name, program in programs(rig, kill).items()}
    steps |= find_steps(rig, kill, former, position)
    steps |= {name: max(answer[f"{name}_ns"] for answer in answers) for name in ("first", "last")}
    seconds_after = {name: (at_ns - killed_ns) / NS_PER_S for name, at_ns in steps.items()}
    if kill != "broker":
        killed_utc_ns = to_utc_ns(killed_ns)
        for name in ("read", "published"):
            at_utc_ns = max(answer[f"{name}_utc_ns"] for answer in answers)
            seconds_after[name] = (at_utc_ns - killed_utc_ns) / NS_PER_S
        seconds_after |= find_subscribed(rig, killed_utc_ns, lines)
    fresh = {"node": kill == "node", "broker": kill == "broker"}
    figures = {f"cpu_{name}": now - (0.0 if fresh.get(name) else cpu[name]) for name, now in after.items()}
    figures["cpu_clients"] = sum(answer["cpu_s"] for answer in answers)
    figures["received"] = sum(answer["received"] for answer in answers)
    figures["requests"] = sum(answer["requests_sent"] for answer in answers)
    if kill == "standby":
        rig.standby = start_beside(rig.world, log)
    return {**seconds_after, **figures, "killed_ns": killed_ns}


def programs(rig: Rig, kill: str) -> dict[str, Program]:
    """Whose processor time counts: of two nodes the one that will be active."""
    node = rig.standby if kill == "standby" and rig.standby is not None else rig.node
    return {"node": node, "broker": rig.broker, "exchange": rig.exchange}


def find_steps(rig: Rig, kill: str, former: str, position: int) -> dict[str, int]:
    """When the observer heard each step, by its own clock."""
    steps: dict[str, int] = {}
    for heard in rig.log.heard[position:]:
        event = heard.event
        if kill == "broker":
            if "started" not in steps and isinstance(event, ConnectionHealth) and event.connection == 0:
                continue
        elif event.source == former:
            continue
        if isinstance(event, ConnectionHealth):
            if kill == "node":
                steps.setdefault("started", heard.at_ns)
            if kill != "broker" and event.state not in ("standby", "stopped"):
                steps.setdefault("active", heard.at_ns)
                steps.setdefault(event.state, heard.at_ns)
    steps |= find_answers(rig, kill, position, steps.get("active", 0), former)
    return {name: at_ns for name, at_ns in steps.items() if name in dict(STEPS)}


def find_answers(rig: Rig, kill: str, position: int, since_ns: int, former: str) -> dict[str, int]:
    """When the last client had asked, and when the last part of its first whole answer was heard."""
    asked: dict[str, int] = {}
    answered: dict[str, int] = {}
    wanted: dict[str, str] = {}
    for heard in rig.log.heard[position:]:
        event = heard.event
        if isinstance(event, SymbolsRequested) and (event.snapshot or kill != "broker"):
            wanted[event.request_id] = event.client
            asked.setdefault(event.client, heard.at_ns)
        elif (
            isinstance(event, SymbolsAcknowledged)
            and event.part == event.parts
            and event.request_id in wanted
            and (kill == "broker" or event.source != former)
        ):
            answered.setdefault(event.client, heard.at_ns)
    steps = {}
    if asked:
        steps["asked"] = max(asked.values())
    if answered:
        steps["answered"] = max(answered.values())
    return steps


def find_subscribed(rig: Rig, killed_utc_ns: int, since: int) -> dict[str, float]:
    """When the exchange had subscribed every symbol's quotes, by its log."""
    for line in rig.exchange.lines[since:]:
        if f"is subscribed to {rig.symbols} quotes" in line:
            at_utc_ns = datetime.fromisoformat(line.split()[0].replace("Z", "+00:00")).timestamp() * NS_PER_S
            return {"subscribed": (at_utc_ns - killed_utc_ns) / NS_PER_S}
    return {}


def report(kill: str, rounds: list[dict[str, float]]) -> bool:
    """Print one series; whether it kept its bound at p95."""
    print(f"\nkill -9 of the {'node, another waits' if kill == 'standby' else kill}, seconds from the kill until")
    print(f"{'':52} {'median':>8} {'p95':>8} {'most':>8}")
    for name, text in STEPS:
        values = [figures[name] for figures in rounds if name in figures]
        if values:
            print(f"{text:52} {quantile(values, 0.5):>8.2f} {quantile(values, 0.95):>8.2f} {max(values):>8.2f}")
    shares = [f"{name} {quantile([figures[f'cpu_{name}'] for figures in rounds], 0.5):.2f}" for name in PROGRAMS]
    print(f"processor time, s: {', '.join(shares)};", end=" ")
    print(f"messages to the clients {quantile([figures['received'] for figures in rounds], 0.5):,.0f}")
    held = quantile([figures["last"] for figures in rounds], 0.95) <= BOUNDS_S[kill]
    print(f"every symbol usable within {BOUNDS_S[kill]:.0f} s at p95: {'yes' if held else 'NO'}")
    return held


def run(kill: str, options: argparse.Namespace) -> list[dict[str, float]]:
    """One series."""
    rounds = []
    with running(kill, options) as rig:
        for number in range(options.times):
            progress(f"{kill}: {number + 1} of {options.times}")
            sleep_s(CALM_S + number % 10 / 10)  # another instant of the second each time, as of the node's healths
            rounds.append(measure(rig, kill))
    progress("")
    return rounds


def parse(arguments: Iterable[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make returns", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kills", nargs="*", default=KILLS, help="what to kill: node, standby, broker; by default each")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--symbols", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=1, help="programs that share the symbols")
    parser.add_argument("--rate", type=float, default=1_000, help="quotes a second over all symbols")
    return parser.parse_args(arguments if arguments is None else list(arguments))


def main() -> int:
    options = parse()
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {options.symbols} symbols, "
          f"{options.clients} clients, {options.times} times")  # fmt: skip
    held = []
    for kill in options.kills:
        loads = [os.getloadavg()[0]]
        rounds = run(kill, options)
        loads.append(os.getloadavg()[0])
        held.append(report(kill, rounds))
        print(f"load of the machine before and after: {loads[0]:.1f}, {loads[1]:.1f}", flush=True)
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
