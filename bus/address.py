"""Where the bus is: what `BUS_URL` says, and the three addresses of ZeroMQ's endpoints that may override it. Pure.

`ipc://NAME` is a folder of this user on this machine, `tcp://host:port` a broker's three endpoints, `nats://` and
`tls://` a NATS server or the servers of a cluster. Which engine carries it: `bus.transport.engines`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from quotebus.bus.process.loopback import is_loopback

DEFAULT = "ipc://quotebus"
NATS_PORT = 4222
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}\Z")
_HOST = re.compile(r"[A-Za-z0-9.:_\[\]*%-]{1,253}\Z")
_HIGHEST_PORT = 65_535
_SCHEMES = "ipc://NAME, tcp://HOST:PORT, nats://HOST or tls://HOST"


@dataclass(frozen=True, slots=True)
class IpcAddress:
    """A folder of this user's own, named `name`; `runtime_dir` is where it is, "" for where the system has such."""

    name: str
    runtime_dir: str = ""

    def __str__(self) -> str:
        return f"ipc://{self.name}"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A broker's three endpoints, each `tcp://host:port`; a broker takes any free port for port 0.

    `key_file` is a program's, which it speaks under; without one nothing is encrypted.
    """

    publish: str
    subscribe: str
    request: str
    key_file: str = ""

    def __str__(self) -> str:
        return self.subscribe


@dataclass(frozen=True, slots=True)
class NatsAddress:
    """Servers of one NATS cluster as `host:port`, in the order given. `bus` is the first word of every subject.

    `user` is the second: what a server's permissions bind. With an empty `ca_file` the system's authorities count.
    """

    servers: tuple[str, ...]
    tls: bool
    bus: str = "quotebus"
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @property
    def is_local(self) -> bool:
        """Whether no server can be on another machine."""
        return all(is_loopback(server.rpartition(":")[0].strip("[]")) for server in self.servers)

    def __str__(self) -> str:
        return f"{'tls' if self.tls else 'nats'}://{','.join(self.servers)}"


BusAddress = IpcAddress | TcpAddress | NatsAddress


def parse_address(url: str, runtime_dir: str = "") -> BusAddress:
    """The address that `BUS_URL` stands for. Raises ValueError, whose text does not repeat `url`."""
    scheme, separator, rest = url.partition("://")
    if not separator or not rest:
        raise ValueError(f"must be {_SCHEMES}")
    if scheme == "ipc":
        return IpcAddress(_check_name(rest), runtime_dir)
    if scheme == "tcp":
        return _spread(url)
    if scheme in ("nats", "tls"):
        return _parse_nats(scheme, rest)
    raise ValueError(f"must be {_SCHEMES}")


def parse_endpoints(publish: str, subscribe: str, request: str) -> TcpAddress:
    """The address with all three endpoints given. Raises ValueError."""
    for url in (publish, subscribe, request):
        check_endpoint(url)
    return TcpAddress(publish, subscribe, request)


def endpoint_on_loopback(url: str) -> bool:
    """Whether a `tcp://host:port` cannot be reached from another machine."""
    return is_loopback(urlsplit(url).hostname or "")


def check_endpoint(url: str) -> None:
    """Raise ValueError for what is no `tcp://host:port`."""
    _split_endpoint(url)


def _check_name(name: str) -> str:
    if name.startswith("@"):
        raise ValueError("an abstract socket is open to every user of this machine: use ipc://NAME")
    if not _NAME.match(name):
        raise ValueError("the name in ipc://NAME has at most 32 letters, digits, - and _, and is no path")
    return name


def _spread(url: str) -> TcpAddress:
    """Three endpoints of which the first is given: the others are on the next two ports."""
    parts, port = _split_endpoint(url)
    if port > _HIGHEST_PORT - 2:
        raise ValueError(f"the port must be at most {_HIGHEST_PORT - 2}: the next two are taken as well")
    host = parts.netloc.rpartition(":")[0]
    ports = (port, port + 1, port + 2) if port else (0, 0, 0)
    return TcpAddress(*(f"tcp://{host}:{each}" for each in ports))


def _split_endpoint(url: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("not a tcp://host:port endpoint") from None
    if parts.scheme != "tcp" or port is None or parts.path or parts.query or "@" in parts.netloc:
        raise ValueError("not a tcp://host:port endpoint")
    if not _HOST.match(host):
        raise ValueError("not a tcp://host:port endpoint")
    return parts, port


def _parse_nats(scheme: str, rest: str) -> NatsAddress:
    servers, _, bus = rest.partition("/")
    if "@" in rest or "?" in rest or "#" in rest:
        raise ValueError("a NATS address is nats://HOST:PORT,HOST:PORT or tls://…, without a user and without a query")
    if bus and not _NAME.match(bus):
        raise ValueError("the name of the bus after the servers has at most 32 letters, digits, - and _")
    named = tuple(_parse_server(server) for server in servers.split(","))
    return NatsAddress(tuple(dict.fromkeys(named)), scheme == "tls", bus or "quotebus")


def _parse_server(text: str) -> str:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", NATS_PORT if parts.port is None else parts.port
    except ValueError:
        raise ValueError("not a NATS server: HOST or HOST:PORT") from None
    if not _HOST.match(host) or "*" in host or not port:
        raise ValueError("not a NATS server: HOST or HOST:PORT")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
