"""The shipped cluster of three: its routes are encrypted and known, and nobody else makes one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from quotebus.bus.clock import NS_PER_MS, utc_ns
from quotebus.bus.sequence import Stamper
from quotebus.bus.transport.line import News
from quotebus.bus.transport.nats.access import NatsAccess
from quotebus.bus.transport.nats.ends import NatsSubscriber
from quotebus.bus.transport.nats.engine import NatsEngine
from tests.support.certificates import needs_openssl
from tests.support.nats_server import HOST, SHIPPED, NatsServer, ShippedServer, free_port, needs_server, role_authority
from tests.support.programs import Program, eventually
from tests.support.samples import QUOTE

pytestmark = [needs_server, needs_openssl]
CLUSTER = SHIPPED.with_name("cluster.conf")
NAMES = "abc"


class ShippedMember(ShippedServer):
    """One of three, from the shipped files: other ports, and `localhost` in place of `a.example`."""

    def __init__(self, folder: Path, name: str, ports: dict[str, int]) -> None:
        text = CLUSTER.read_text()
        for each, port in ports.items():
            text = text.replace(f"nats://{each}.example:6222", f"nats://localhost:{port}")
        text = text.replace("0.0.0.0:6222", f"{HOST}:{ports[name]}").replace(
            'server_name: "a"', f'server_name: "{name}"'
        )
        assert ".example:6222" not in text
        (folder / "quotebus.conf").write_text(SHIPPED.read_text())
        file = folder / f"cluster-{name}.conf"
        file.write_text(text)
        super().__init__(folder, file)


class Cluster:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in NAMES}
        self.servers = [ShippedMember(folder, name, self.ports) for name in NAMES]
        for server in self.servers:
            server.wait_for_routes(2)

    def stop(self) -> None:
        for server in self.servers:
            server.stop()

    def engine(self, role: str, *numbers: int) -> NatsEngine:
        servers = tuple((HOST, self.servers[number].port) for number in numbers)
        return NatsEngine(NatsAccess(servers, user=role, tls=role_authority().context(role)))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    try:
        yield cluster
    finally:
        cluster.stop()


def listen(engine: NatsEngine) -> NatsSubscriber:
    subscriber = engine.subscriber((b"quote.",), watched=True)
    subscriber.connect()
    eventually(lambda: News.UP in subscriber.news())
    return subscriber


def cross(frame: bytes, engine: NatsEngine, subscriber: NatsSubscriber) -> set[bytes]:
    """All that is heard until this is, which is said again: what others listen for travels in its own time."""
    found: set[bytes] = set()
    publisher = engine.publisher()
    publisher.connect()

    def heard() -> bool:
        publisher.news()
        publisher.send(frame)
        publisher.flush()
        subscriber.await_frame(20 * NS_PER_MS)
        found.update(subscriber.take(1_000))
        return frame in found

    eventually(heard, why="a quote crosses the cluster")
    publisher.close()
    return found


def quote(source: str) -> bytes:
    return Stamper(source).frame(QUOTE, utc_ns())


def test_three_servers_find_each_other_over_tls_and_one_may_be_lost(cluster: Cluster) -> None:
    node, worker = cluster.engine("node", 0), cluster.engine("worker", 1, 2)
    subscriber = listen(worker)
    quotes = [quote(f"node-00000{number}") for number in range(3)]
    assert cross(quotes[0], node, subscriber) == {quotes[0]}
    cluster.servers[1].kill()
    assert quotes[1] in cross(quotes[1], node, subscriber) <= set(quotes[:2])
    cluster.servers[1].start()
    cluster.servers[1].wait_for_routes(2)
    cluster.servers[2].kill()
    assert quotes[2] in cross(quotes[2], node, subscriber) <= set(quotes)
    node.close(0)
    worker.close(0)


@pytest.mark.parametrize("role", ["node", "worker", ""], ids=["node", "worker", "none"])
def test_a_program_s_certificate_makes_no_route(cluster: Cluster, role: str) -> None:
    """Over a route everything may be said in everybody's name: no server asks there for a user."""
    authority = role_authority()
    tls = "" if not role else (
        f'tls {{ cert_file: "{authority.path(f"{role}.pem")}", key_file: "{authority.path(f"{role}.key")}", '
        f'ca_file: "{authority.path("ca.pem")}", verify: true }}'
    )  # fmt: skip
    routes = ", ".join(f'"nats://{HOST}:{port}"' for port in cluster.ports.values())
    own = free_port()
    rogue = NatsServer(
        cluster.folder,
        name="rogue",
        text=f'cluster {{ name: "quotebus", listen: "{HOST}:{own}", routes: [{routes}], {tls} }}',
    )
    worker, intruder = cluster.engine("worker", 0), NatsEngine(NatsAccess(((HOST, rogue.port),), user="node"))
    subscriber = listen(worker)
    try:
        eventually(lambda: any(refusal(server.running) for server in cluster.servers), why="a server refuses it")
        publisher = intruder.publisher()
        publisher.connect()
        eventually(lambda: publisher.news() and publisher.connected)
        forged, honest = quote("node-f0f0f0"), quote("node-000001")
        for _ in range(50):
            publisher.send(forged)
            publisher.flush()
            assert not subscriber.await_frame(10 * NS_PER_MS)
        cross(honest, cluster.engine("node", 1), subscriber)
        assert forged not in subscriber.take(1_000)
    finally:
        rogue.stop()
        worker.close(0)
        intruder.close(0)


def refusal(program: Program) -> bool:
    """Whether this server has refused a route: by its certificate, or since it had none."""
    return any(re.search("rid:.*(authentication error|TLS route handshake error)", line) for line in program.lines)
