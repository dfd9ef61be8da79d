"""Two nodes on two hosts, the active one killed, frozen, cut off and stopped: `make engines ARGS="standby --times 10"`.

Each host is a network namespace with one server and one node. The server that those are leaves of, the client and the
exchange are here; it admits one connection and misses a silent one after 1.2 s. The other node must stream soon, and
stays the active one when all is well again. Needs root.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.events import Cause, ConnectionHealth
from quotebus.pricing.listening import LISTENING
from tests.engines.hosts import Host
from tests.perf.figures import progress, quantile
from tests.support.eventlog import EventLog
from tests.support.nats_server import BINARY, TEXT, free_port
from tests.support.programs import Program, eventually
from tests.support.world import World

ROOT_FOLDER = Path(__file__).resolve().parents[2]
SYMBOL = "SPY"
MOST_S = {"kill": 5.0, "freeze": 5.0, "stop": 1.0, "cut": 5.0}


class TwoHosts(World):
    """Two hosts with a server and a node each, and this one."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, engine="nats")
        self.hosts = {name: Host(number) for number, name in enumerate(("left", "right"))}
        self.nodes: dict[str, Program] = {}
        self._opened.callback(self._close_hosts)
        self._start_servers()
        self.exchange("--rate", "200", "--ping-interval-s", "0.5", "--pong-timeout-s", "0.7")
        ports = [str(urlsplit(self.environment[name]).port) for name in ("PRICING_UPSTREAM_URL", "PRICING_DATA_URL")]
        for host in self.hosts.values():
            arguments = ["-m", "tests.engines.relay"]
            self._run(sys.executable, *arguments, host.here, "127.0.0.1", *ports).line("ready")
            self._run(*host.command(sys.executable, *arguments, "127.0.0.1", host.here, *ports)).line("ready")
        for name in self.hosts:
            self.start_node(name)

    def start_node(self, name: str) -> None:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        settings = {"PRICING_NODE": name, "PRICING_LOCK_DIR": str(folder), "BUS_URL": self.urls_there[name]}
        command = self.hosts[name].command("pricing-node")
        self.nodes[name] = Program(*command, environment={**self.environment, **settings})
        self.programs.append(self.nodes[name])

    def _run(self, name: str, *arguments: str) -> Program:
        program = Program(name, *arguments, environment=self.environment, folder=ROOT_FOLDER)
        self.programs.append(program)
        return program

    def _start_servers(self) -> None:
        """One here, of which each host's is a leaf: so it need not reach the other one."""
        ports = {place: free_port() for place in ("here", *self.hosts)}
        leaves = free_port()
        for place, port in ports.items():
            config = self.folder / f"{place}.conf"
            host = self.hosts.get(place)
            if host is None:
                address, joins = "0.0.0.0", f'listen: "0.0.0.0:{leaves}"'
            else:
                address, joins = host.there, f'remotes: [{{ url: "nats-leaf://{host.here}:{leaves}" }}]'
            config.write_text(f'server_name: "{place}"\nlisten: "{address}:{port}"\n{TEXT}\nleafnodes {{ {joins} }}\n')
            command = (str(BINARY), "-c", str(config))
            self._run(*(command if host is None else host.command(*command))).line("Server is ready")
            if host is not None:
                self.programs[-1].line("Leafnode connection created")
        self.environment["BUS_URL"] = f"nats://127.0.0.1:{ports['here']}"
        self.urls_there = {
            name: f"nats://{host.there}:{ports[name]},{host.here}:{ports['here']}" for name, host in self.hosts.items()
        }

    def _close_hosts(self) -> None:
        for host in self.hosts.values():
            host.close()


class Stage:
    """The world, a client, and what is heard of both nodes."""

    def __init__(self, world: TwoHosts) -> None:
        self.world = world
        self.log = EventLog(world.settings(), b"health.")
        self.client = world.client("holder", max_age_s=5)
        self.client.request([SYMBOL], wait_s=30)
        self.active = self.await_settled()

    def close(self) -> None:
        self.log.close()

    def await_settled(self) -> str:
        """Until one node streams, the other one stands by and the client's price is usable; the active one's name."""
        found: list[str] = []

        def settled() -> bool:
            states = {name: self._state(name) for name in self.world.hosts}
            found[:] = [name for name, state in states.items() if state == "streaming"]
            return sorted(states.values()) == ["standby", "streaming"] and self.client.usable(SYMBOL)

        eventually(settled, within_s=60, why="one streams, the other stands by")
        return found[0]

    def _state(self, name: str) -> str:
        """As its last health said, if that is not old; a node that has just started listens before it may take over."""
        at_ns = now_ns()
        for heard in reversed(self.log.heard):
            if at_ns - heard.at_ns > 2 * NS_PER_S:
                break
            if isinstance(heard.event, ConnectionHealth) and heard.event.node == name:
                return heard.event.detail if heard.event.detail == LISTENING else heard.event.state
        return ""

    def play(self, harm: Callable[[Stage, str], Callable[[], None]]) -> tuple[float, bool]:
        """Harm the active node, undo it, and wait until all is settled.

        How many seconds the other one took to stream, and whether the exchange still held the line of the first and
        answered with its limit: error 406, after which a node has to leave it alone for some seconds.
        """
        other = next(name for name in self.world.hosts if name != self.active)
        position, began_ns = self.log.position(), now_ns()
        undo = harm(self, self.active)
        _, streams_ns = self.log.wait(
            ConnectionHealth, lambda health: health.node == other and health.state == "streaming", since=position
        )
        eventually(lambda: self.client.usable(SYMBOL), why="the price is usable again")
        undo()
        refused = self.log.all(ConnectionHealth, lambda health: health.cause == Cause.CONNECTION_LIMIT, since=position)
        held = any(health.node == other for health in refused)
        self.active = self.await_settled()
        assert self.active == other, "who streams stays"
        return (streams_ns - began_ns) / NS_PER_S, held


def kill(stage: Stage, name: str) -> Callable[[], None]:
    stage.world.nodes[name].kill()
    return lambda: stage.world.start_node(name)


def freeze(stage: Stage, name: str) -> Callable[[], None]:
    node = stage.world.nodes[name]
    node.freeze()
    return node.thaw


def cut(stage: Stage, name: str) -> Callable[[], None]:
    host = stage.world.hosts[name]
    host.cut(down=True)
    return lambda: host.cut(down=False)


def stop(stage: Stage, name: str) -> Callable[[], None]:
    stage.world.nodes[name].process.send_signal(signal.SIGTERM)
    return lambda: stage.world.start_node(name)


HARMS = {"kill": kill, "freeze": freeze, "stop": stop, "cut": cut}
"""In an order in which the lines of the one before are whole again where the next one is timed."""


def run(folder: Path, times: int) -> bool:
    """Print how long the other node took; whether all is within its bounds."""
    world = TwoHosts(folder)
    stage: Stage | None = None
    took: dict[str, list[float]] = {name: [] for name in HARMS}
    held: dict[str, list[float]] = {name: [] for name in HARMS}
    try:
        stage = Stage(world)
        for number in range(times):
            for name, harm in HARMS.items():
                progress(f"{name}, {number + 1} of {times}")
                seconds, was_held = stage.play(harm)
                (held if was_held else took)[name].append(seconds)
        progress("")
        state = world.control.state()
    finally:
        if stage is not None:
            stage.close()
        world.close()
    for name, each in took.items():
        figures = f"p50 {quantile(each, 0.5):.2f} max {max(each):.2f} s" if each else "none"
        print(f"{name:>6} x {len(each)}: the other node streams after {figures} (at most {MOST_S[name]})")
        if held[name]:
            print(f"{'':>6} x {len(held[name])} in which the exchange's limit answered: max {max(held[name]):.2f} s")
    print(f"{state['upgraded_total']} connections in all; the exchange admits one at a time")
    return all(each and max(each) <= MOST_S[name] for name, each in took.items())
