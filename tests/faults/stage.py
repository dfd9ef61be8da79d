"""The programs that a fault is shown to: broker, exchanges, node, worker, and two clients in this process."""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

from quotebus import BusClient
from quotebus.bus.clock import utc_ns
from quotebus.bus.events import ConnectionHealth, Quote
from quotebus.pricing.host_dials import HostDials
from quotebus.pricing.simulator.control import SimulatorControl
from tests.faults.injections import OTHER, RATE, SYMBOL, Injection
from tests.support.dialling import Server, request, respond
from tests.support.eventlog import EventLog
from tests.support.judge import judge
from tests.support.programs import Program, eventually
from tests.support.world import World

MAX_PRICE = 1e9
CANARY = "canary-3b9d0c"
_CERTIFICATE = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


class Stage:
    """One bus with a real exchange on it; `prepare` brings node and line to where a fault begins."""

    def __init__(self, folder: Path, *, rate: int = RATE) -> None:
        self.world = World(folder)
        self.world.audit = folder / "audit.json"
        self.world.environment |= {"PRICING_API_KEY": f"{CANARY}-key", "PRICING_API_SECRET": f"{CANARY}-secret"}
        self.folder = folder
        self.log: EventLog
        self.worker: Program
        self.watcher: BusClient
        self.late: BusClient
        self.node: Program | None = None
        self.former: set[str] = set()
        """Sources of the nodes that were stopped."""
        self.control: SimulatorControl
        self._servers: list[Server] = []
        self._exchanges: dict[str, tuple[str, SimulatorControl]] = {}
        self._settings: dict[str, str] = {}
        self._rate = rate

    def open(self) -> None:
        world = self.world
        world.broker()
        world.exchange("--rate", str(self._rate))
        world.environment["PRICING_DATA_URL"] = world.environment["PRICING_ORDER_REST_URL"]
        self._exchanges["plain"] = world.environment["PRICING_UPSTREAM_URL"], world.control
        self.log = EventLog(world.urls["subscribe"], forbidden=CANARY.encode())
        self.worker = world.worker(
            EXECUTION_SYMBOLS=f"{SYMBOL},{OTHER}", EXECUTION_INTERVAL_S="0.05", EXECUTION_PATIENCE_S="0"
        )
        self.watcher, self.late = world.client("watcher"), world.client("late")
        self.watcher.request([SYMBOL, OTHER])

    def close(self) -> None:
        self.log.close()
        for server in self._servers:
            server.close()
        self.world.close()

    def prepare(self, injection: Injection, *, fresh: bool) -> None:
        """A node on the right upstream: fresh and dialling into the plan, or streaming with both symbols usable."""
        settings = {**self._upstream(injection.upstream), **injection.settings}
        if fresh or not injection.live or self.node is None or settings != self._settings:
            self.stop_node()
            self._use_up_dials(settings)
            if not injection.live:
                self.control.faults(**injection.plan)
            self.node = self.world.node(**settings)
            self._settings = settings

    def _use_up_dials(self, settings: dict[str, str]) -> None:
        """Where the venue allows so few attempts, another node of this host has just made them all."""
        limit = int(settings.get("PRICING_DIAL_LIMIT", "0"))
        host = urlsplit(self.world.environment["PRICING_UPSTREAM_URL"]).hostname or ""
        others = HostDials(Path(self.world.environment["PRICING_LOCK_DIR"]), host, limit)
        while limit and not others.take(utc_ns()):
            pass

    def stop_node(self) -> None:
        if self.node is not None:
            self.world.programs.remove(self.node)
            self.check_programs()
            status = self.node.stop()
            assert status == 0, f"pricing-node: exit status {status}: {self.node.lines[-10:]}"
            self._forbid(self.node)
            self.former |= {health.source for health in self.log.all(ConnectionHealth)}
            self.node = None

    def control_of(self, kind: str) -> SimulatorControl:
        return self._exchanges[kind][1]

    def controls(self) -> list[SimulatorControl]:
        return [control for _, control in self._exchanges.values()]

    def all_subscribed(self, *, but: str = "") -> bool:
        """Whether the exchange has both symbols on its lists, and each symbol on all, or all of a kind at once: nothing
        is being asked.
        """
        return any(
            but not in symbols.get("quotes", ())
            and {SYMBOL, OTHER} <= {*symbols.get("quotes", ())}
            and {*symbols.get("quotes", ())} == {*symbols.get("lulds", ())}
            and {*symbols.get("statuses", ())} in ({"*"}, {*symbols.get("quotes", ())})
            for connection in self.control.state()["connections"]
            for symbols in [connection["symbols"]]
        )

    def check_programs(self) -> None:
        """Nobody died, nobody told a secret, and no decision was made on a price that may not be used."""
        running = [*self.world.programs, *([self.node] if self.node else [])]
        for program in running:
            assert program.process.poll() is None, f"{program.name} died: {program.lines[-10:]}"
            self._forbid(program)
        assert not self.log.leaks, f"a secret on the bus: {self.log.leaks}"

    def judge(self) -> dict[str, int]:
        """Every decision of the worker so far against what the exchange sent; how many of each action."""
        for quote in self.log.all(Quote):
            for price in (quote.bid_price, quote.ask_price):
                assert price is None or 0 < price < MAX_PRICE, f"never a price: {quote}"
        if "tls" not in self._exchanges:
            return judge(self.log, self.world.audit)
        both = self.folder / "audits.jsonl"
        both.write_text("".join(file.read_text() for file in self.folder.glob("audit*.json")))
        return judge(self.log, both)

    def _forbid(self, program: Program) -> None:
        assert not [line for line in program.lines if CANARY in line], f"{program.name} tells a secret"

    def _upstream(self, kind: str) -> dict[str, str]:
        """Settings that lead the node to this kind of upstream, which is started if it is not there."""
        self.control = self._exchanges["plain"][1]
        match kind:
            case "plain":
                return {}
            case "nowhere":
                return {"PRICING_UPSTREAM_URL": "wss://no-such-name.invalid/v2/iex", "PRICING_DATA_URL": ""}
            case "tls" | "tls both":
                url, self.control = self._tls_exchange()
                ca = "right.pem" if kind == "tls" else "both.pem"
                return {"PRICING_UPSTREAM_URL": url, "PRICING_UPSTREAM_CA_FILE": str(self.folder / ca)}
        scripts = {"other": respond("HTTP/1.1 101 Switching Protocols\nUpgrade: tea\nConnection: Upgrade\n\n"),
                   "rude": rude, "violent": violent}  # fmt: skip
        server = Server(scripts[kind])
        self._servers.append(server)
        return {"PRICING_UPSTREAM_URL": f"ws://127.0.0.1:{server.port}/v2/iex"}

    def _tls_exchange(self) -> tuple[str, SimulatorControl]:
        if "tls" not in self._exchanges:
            for name, host in (("right", "IP:127.0.0.1"), ("wrong", "DNS:elsewhere.example")):
                command = ("openssl", *_CERTIFICATE, "-subj", f"/CN={name}", "-addext", f"subjectAltName={host}")
                files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
                subprocess.run([*command, *files], cwd=self.folder, check=True, capture_output=True)
            both = "".join((self.folder / f"{name}.pem").read_text() for name in ("right", "wrong"))
            (self.folder / "both.pem").write_text(both)
            pairs = {flag: str(self.folder / file) for flag, file in (
                ("--tls-cert", "right.pem"), ("--tls-key", "right.key"),
                ("--tls-wrong-cert", "wrong.pem"), ("--tls-wrong-key", "wrong.key"),
            )}  # fmt: skip
            arguments = [word for pair in pairs.items() for word in pair]
            ports = ("--port", "0", "--control-port", "0", "--symbol-limit", "0", "--rate", str(self._rate))
            program = Program(
                "exchange-simulator", *ports, "--audit", str(self.world.audit), *arguments, environment={}
            )
            self.world.programs.append(program)
            words = program.line("exchange-simulator: wss://").split()
            self._exchanges["tls"] = words[1], SimulatorControl(words[words.index("control") + 1])
        return self._exchanges["tls"]


def rude(sock: socket.socket) -> None:
    """Hear the request and close."""
    request(sock)
    sock.close()


def violent(sock: socket.socket) -> None:
    """Hear the request and reset."""
    request(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Watch:
    """Samples whether a symbol is usable, for as long as it is open; `reasons` is what spoke against it."""

    def __init__(self, client: BusClient, symbol: str) -> None:
        self.reasons: set[str] = set()
        self._client, self._symbol = client, symbol
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._ending.wait(0.01):
            self.reasons |= {str(reason) for reason in self._client.assess(self._symbol).reasons} - {"reader_behind"}


def usable(client: BusClient, *symbols: str, within_s: float = 20) -> None:
    eventually(lambda: all(map(client.usable, symbols)), within_s, f"usable: {symbols}")
