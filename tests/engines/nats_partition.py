"""The node's host cut off from the clients', in a network namespace of its own: `make engines ARGS=partition`.

There: the exchange, the node and one server. Here: the clients and the other server of the cluster. Between them a pair
of virtual links, which is taken down for 3 s and for 9 s. Needs the right to make namespaces, as root has it.
"""

from __future__ import annotations

import time
from pathlib import Path

from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.transport.nats.access import NatsAccess
from tests.engines.hosts import Host
from tests.engines.nats_failures import MAX_AGE_S, Stage
from tests.perf.figures import progress, quantile
from tests.support.nats_server import BINARY, TEXT, free_port
from tests.support.programs import Program
from tests.support.world import World

CUTS_S = (3.0, 9.0)
MOST_S = 2.0
FAR = ("exchange-simulator", "pricing-node")


class PartedWorld(World):
    """Two hosts."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, engine="nats")
        self.host = Host()
        here = self.host.here
        self.ports = {host: free_port() for host in (here, self.host.there)}
        routes = {host: free_port() for host in self.ports}
        listed = ", ".join(f'"nats://{host}:{port}"' for host, port in routes.items())
        for number, host in enumerate(self.ports):
            config = folder / f"{number}.conf"
            cluster = f'name: parted, listen: "{host}:{routes[host]}", routes: [{listed}], ping_interval: "1s"'
            config.write_text(
                f'server_name: "{number}"\nlisten: "{host}:{self.ports[host]}"\n{TEXT}\n'
                f"cluster {{ {cluster}, no_advertise: true }}\n"
            )
            command = (str(BINARY), "-c", str(config))
            server = Program(*(command if host == here else self.host.command(*command)), environment={})
            self.programs.append(server)
            server.line("Server is ready")
        self.programs[-1].line("Route connection created")
        self.environment["BUS_URL"] = "nats://" + ",".join(f"{host}:{port}" for host, port in self.ports.items())

    def start(self, name: str, *arguments: str, **settings: str) -> Program:
        if name not in FAR:
            return super().start(name, *arguments, **settings)
        program = Program(*self.host.command(name, *arguments), environment={**self.environment, **settings})
        self.programs.append(program)
        return program

    def close(self) -> None:
        super().close()
        self.host.close()


def run(folder: Path, times: int) -> bool:
    """Print what was found; whether it is within its bounds."""
    world = PartedWorld(folder)
    took: dict[float, list[float]] = {cut_s: [] for cut_s in CUTS_S}
    stage: Stage | None = None
    try:
        stage = Stage(world, NatsAccess(((world.host.here, world.ports[world.host.here]),)))
        for number in range(times):
            for cut_s in CUTS_S:
                progress(f"{cut_s:.0f} s, {number + 1} of {times}")
                stage.begin()
                world.host.cut(down=True)
                time.sleep(cut_s)  # the cut's length, no wait for something to happen
                world.host.cut(down=False)
                healed_ns = now_ns()
                stage.await_calm()
                took[cut_s] += [max(0.0, (looks.last_bad_ns - healed_ns) / NS_PER_S) for looks in stage.looks]
        progress("")
        stage.stop_reading()
        unaccounted = [reader.unaccounted() for reader in stage.readers]
        oldest_s = max(looks.oldest_s for looks in stage.looks)
        for cut_s, each in took.items():
            print(f"cut for {cut_s:.0f} s x {times}: usable after healing p50 {quantile(each, 0.5):.2f} "
                  f"max {max(each):.2f} s (at most {MOST_S})")  # fmt: skip
        print(
            f"  {sum(reader.received for reader in stage.readers):,} quotes received, "
            f"{sum(reader.lost for reader in stage.readers):,} lost and counted, "
            f"{sum(reader.late for reader in stage.readers):,} late and dropped, unaccounted {unaccounted}; "
            f"oldest price called usable {oldest_s:.2f} s (at most {MAX_AGE_S})"
        )
    finally:
        if stage is not None:
            stage.close()
        else:
            world.close()
    worst = max(max(each) for each in took.values())
    return worst <= MOST_S and oldest_s <= MAX_AGE_S + 0.01 and not any(unaccounted)
