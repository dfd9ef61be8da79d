"""A whole quotebus on free ports: broker, simulated exchange, node and workers, all real programs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from quotebus import BusClient, BusSettings
from quotebus.pricing.simulator.control import SimulatorControl
from tests.support.eventlog import EventLog
from tests.support.programs import Program

LOOPBACK = {"BUS_URL": "tcp://127.0.0.1:0", "BUS_PLAIN_LOOPBACK": "yes"}


class World:
    """Programs are started when a test asks for them and stopped with the world."""

    def __init__(self, folder: Path, *, forked: bool = True) -> None:
        """Without `forked` each program starts with an interpreter of its own, as for a user, see `Program`."""
        self.folder = folder
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
        self.programs: list[Program] = []
        self.clocks: dict[str, Path] = {}
        """By program, the file of its own clocks where it has some, see `skewed`."""
        self._opened = ExitStack()

    def close(self) -> None:
        self._opened.close()
        for program in reversed(self.programs):
            program.stop()

    def broker(self, *arguments: str) -> Program:
        """Start the broker; a second call starts it again on the same ports."""
        program = self.start("quotebus", "broker", *arguments)
        words = program.line("quotebus broker: publish").split()
        for kind in ("publish", "subscribe", "request"):
            self.environment[f"BUS_{kind.upper()}_URL"] = words[words.index(kind) + 1]
        return program

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
        return self._opened.enter_context(BusClient(self.settings(), name=name, **arguments))

    def log(self, *prefixes: bytes) -> EventLog:
        """A subscriber that keeps everything."""
        log = EventLog(self.environment["BUS_SUBSCRIBE_URL"], *prefixes)
        self._opened.callback(log.close)
        return log

    def settings(self) -> BusSettings:
        return BusSettings(
            bus_publish_url=self.environment["BUS_PUBLISH_URL"],
            bus_subscribe_url=self.environment["BUS_SUBSCRIBE_URL"],
            bus_request_url=self.environment["BUS_REQUEST_URL"],
            bus_plain_loopback=True,
        )

    def start(self, name: str, *arguments: str, **settings: str) -> Program:
        """Start any program in this world."""
        environment = {**self.environment, **settings}
        clocks = self.clocks.get(name)
        program = Program(name, *arguments, environment=environment, forked=self._forked, clocks=clocks)
        self.programs.append(program)
        return program
