"""A whole quotebus on free ports: broker, simulated exchange, node and workers, all real programs."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from quotebus import BusClient, BusSettings
from quotebus.bus.own_names import make_own
from quotebus.bus.transport.engines import find_own_name
from quotebus.pricing.simulator.control import SimulatorControl
from tests.support.eventlog import EventLog
from tests.support.keyed import Keys
from tests.support.nats_server import TEXT, NatsServer, ShippedServer, environment_of_role
from tests.support.programs import Program

LOOPBACK = {"BUS_URL": "tcp://127.0.0.1:0", "BUS_PLAIN_LOOPBACK": "yes"}
ENGINE = "ipc"
"""What carries the bus of a world that does not say it."""
ENGINES = ("tcp", "tcp-keys", "ipc", "nats", "nats-tls")
ROLES = {"pricing-node": "node", "quotebus record": "recorder", "quotebus replay": "player", "bus-tap": "observer",
         "quotebus tap": "observer", "quotebus serve": "observer", "quotebus edge": "edge",
         "execution-worker": "execution"}  # fmt: skip
"""By program, who it is on a bus that asks; all others are workers."""
USERS = {"edge": "worker", "execution": "worker"}
"""Who shares a user at a NATS server with roles; everybody else has one of this name."""
KEYS = {"node": "node pricing", "worker": "worker worker", "recorder": "worker recorder", "player": "node player",
        "observer": "observer watch", "edge": "worker edge", "execution": "worker execution"}  # fmt: skip
"""Role and name of everybody's key for a broker that asks for one."""


class World:
    """Programs are started when a test asks for them and stopped with the world."""

    def __init__(self, folder: Path, *, forked: bool = True, engine: str = ENGINE) -> None:
        """`engine` carries the bus: `tcp-keys` with a key for each role, `nats-tls` with the shipped configuration.

        Without `forked` each program starts with an interpreter of its own, as for a user, see `Program`."""
        self.folder = folder
        self.engine = engine
        self._opened, self._clients = ExitStack(), ExitStack()
        self._nats: NatsServer | None = None
        self._keys: Keys | None = None
        self.urls: dict[str, str] = {}
        """Where the broker's endpoints are, once it runs."""
        self._forked = forked
        self.audit = folder / "audit.jsonl"
        self.control: SimulatorControl
        self.environment: dict[str, str] = {
            **LOOPBACK,
            "PRICING_LOCK_DIR": str(folder),
            "EXECUTION_BUDGET_DIR": str(folder),
            "PRICING_API_KEY": "key",
            "PRICING_API_SECRET": "canary-secret",
            "PRICING_LINGER_S": "1",
            "PRICING_SYMBOL_LIMIT": "0",
        }
        if engine == "tcp-keys":
            del self.environment["BUS_PLAIN_LOOPBACK"]
            self._keys = Keys(folder)
            for words in KEYS.values():
                self._keys.make(*words.split())
        self.environment = self.environment_of("worker")
        if engine == "ipc":
            self.environment["BUS_URL"] = "ipc://world"
            self.environment["BUS_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="qb-", dir="/tmp")  # paths are short there
            self._opened.callback(shutil.rmtree, self.environment["BUS_RUNTIME_DIR"])
        self.programs: list[Program] = []
        self.clocks: dict[str, Path] = {}
        """By program, the file of its own clocks where it has some, see `skewed`."""

    def close(self) -> None:
        with self._opened:
            self._clients.close()
            for program in reversed(self.programs):
                program.stop()

    def broker(self, *arguments: str) -> Program:
        """Start what carries the bus; a second call starts it again at the same place."""
        if self.engine.startswith("nats"):
            return self._start_nats()
        keys = {"BUS_KEYS_DIR": str(self._keys.path)} if self._keys is not None else {}
        program = self.start("quotebus", "broker", *arguments, **keys)
        words = program.line("quotebus broker: publish").split()
        self.urls = {kind: words[words.index(kind) + 1] for kind in ("publish", "subscribe", "request")}
        if self.engine.startswith("tcp"):
            self.environment |= {f"BUS_{kind.upper()}_URL": url for kind, url in self.urls.items()}
        return program

    def _start_nats(self) -> Program:
        if self._nats is not None:
            self._nats.start()
        else:
            tls = self.engine == "nats-tls"
            self._nats = ShippedServer(self.folder) if tls else NatsServer(self.folder, text=TEXT)
        self.environment["BUS_URL"] = self.carrier.url
        self.programs.append(self.carrier.running)
        return self.carrier.running

    @property
    def carrier(self) -> NatsServer:
        """The NATS server."""
        assert self._nats is not None
        return self._nats

    def exchange(self, *arguments: str) -> Program:
        """Start the simulated exchange, without a symbol limit unless told."""
        limit = () if "--symbol-limit" in arguments else ("--symbol-limit", "0")
        program = self.start(
            "exchange-simulator", "--port", "0", "--control-port", "0", "--audit", str(self.audit), *limit, *arguments
        )
        words = program.line("exchange-simulator: ws://").split()
        self.environment["PRICING_UPSTREAM_URL"] = words[1]
        orders = program.line("exchange-simulator: orders http://").split()
        rest = orders[orders.index("orders") + 1].removesuffix("/v2")
        self.environment |= {"PRICING_ORDER_REST_URL": rest, "PRICING_DATA_URL": rest}
        self.control = SimulatorControl(words[words.index("control") + 1])
        return program

    def node(self, **settings: str) -> Program:
        """Start a pricing node and wait until it runs."""
        program = self.start("pricing-node", **settings)
        program.line("idle until a symbol is requested")
        return program

    def worker(self, **settings: str) -> Program:
        return self.start("execution-worker", **settings)

    def client(self, name: str | None = None, **arguments: Any) -> BusClient:
        """A client in this process."""
        return self._clients.enter_context(BusClient(self.settings(), name=name, **arguments))

    def name_of(self, name: str) -> str:
        """The name under which a client of this name is known on the bus, where a key or a user binds it."""
        return make_own(find_own_name(self.settings().bus_address), name)

    def log(self, *prefixes: bytes) -> EventLog:
        """A subscriber that keeps everything."""
        plain = self.urls and self._keys is None
        bus = self.urls["subscribe"] if plain else self.settings("observer")
        log = EventLog(bus, *prefixes)
        self._clients.callback(log.close)
        return log

    def settings(self, role: str = "worker") -> BusSettings:
        """What a client in this process needs."""
        environment = self.environment_of(role)
        names = [name for name in BusSettings.model_fields if name.upper() in environment]
        return BusSettings(**{name: environment[name.upper()] for name in names})

    def environment_of(self, role: str) -> dict[str, str]:
        """What a program of this role needs; `environment` is a worker's."""
        if self.engine == "nats-tls":
            return {**self.environment, **environment_of_role(USERS.get(role, role))}
        if self._keys is not None:
            return {**self.environment, "BUS_KEY_FILE": str(self._keys.path_of(*KEYS[role].split()))}
        return dict(self.environment)

    def start(self, name: str, *arguments: str, **settings: str) -> Program:
        """Start any program in this world."""
        role = ROLES.get(name) or ROLES.get(" ".join((name, *arguments[:1])), "worker")
        environment = {**self.environment_of(role), **settings}
        clocks = self.clocks.get(name)
        program = Program(name, *arguments, environment=environment, forked=self._forked, clocks=clocks)
        self.programs.append(program)
        return program
