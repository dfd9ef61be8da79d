"""Nothing dials before demand, and idle means idle: shown on the real programs."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from quotebus.bus.clock import now_ns, sleep_s
from quotebus.bus.events import ConnectionHealth, SymbolsAcknowledged
from quotebus.pricing.listening import LISTENING
from tests.support.programs import Program, eventually
from tests.support.stopwatch import Stopwatch
from tests.support.world import World

IDLE_S = float(os.environ.get("QUOTEBUS_IDLE_S", "5"))


def test_idle_node_opens_no_connection_and_uses_no_core(world: World) -> None:
    world.broker()
    world.exchange()
    node = world.node()
    log = world.log(b"health.")
    log.health("idle")
    process = psutil.Process(node.pid)
    before = process.cpu_times()
    sleep_s(IDLE_S)  # the length of the measurement
    after = process.cpu_times()
    used = (after.user + after.system - before.user - before.system) / IDLE_S
    assert used < 0.01, f"{used:.2%} of a core while idle"
    assert world.control.state()["tcp_accepted_total"] == 0
    assert {health.state for health in log.all(ConnectionHealth) if health.detail != LISTENING} == {"idle"}
    assert len(process.net_connections()) <= 4, "sockets of the bus only"


AUDITED_NODE = """
import sys
def hear(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect"):
        print(f"AUDIT {event} {arguments}\\n", end="", flush=True)  # in one piece: other threads print too
sys.addaudithook(hear)
from quotebus.pricing.program import main
sys.exit(main([]))
"""


def test_no_name_is_looked_up_before_demand(world: World) -> None:
    world.broker()
    world.environment |= {"PRICING_UPSTREAM_URL": "wss://name.invalid/v2/iex", "PRICING_DATA_URL": ""}
    node = Program("python", "-c", AUDITED_NODE, environment=world.environment_of("node"))
    world.programs.append(node)
    node.line("idle until a symbol is requested")
    log = world.log(b"health.")
    for _ in range(3):
        log.health("idle", since=log.position())
    bus = world.environment["BUS_URL"].rpartition(":")[2]  # that one is connected to from the start
    assert not [line for line in node.lines if "AUDIT" in line and bus not in line]
    world.client("asker").request(["SPY"])
    failed, _ = log.wait(ConnectionHealth, lambda health: health.state == "backing_off")
    assert failed.cause == "dns"
    assert node.line("AUDIT socket.getaddrinfo ('name.invalid'")


def test_empty_request_does_not_dial(world: World) -> None:
    world.broker()
    world.exchange()
    world.node()
    log = world.log()
    client = world.client("nobody")
    client.request([])
    log.wait(SymbolsAcknowledged, lambda ack: ack.client == client.name)
    client.request(["!!", "*"])
    ack, _ = log.wait(SymbolsAcknowledged, lambda ack: ack.client == client.name and ack.request_id.endswith("-2"))
    assert ack.cause == "demand"
    assert {result.cause for result in client.results().values()} == {"bad_symbol"}
    position = log.position()
    log.health("idle", since=position)
    log.health("idle", since=log.position())
    assert world.control.state()["tcp_accepted_total"] == 0


@pytest.mark.engines
def test_first_request_connects_and_the_story_is_told(world: World) -> None:
    world.broker()
    world.exchange()
    world.node()
    log = world.log()
    log.health("idle")
    client = world.client("first")
    results = client.request(["SPY", "QQQ"], wait_s=10)
    assert {result.state for result in results.values()} == {"live"}
    assert client.is_connected
    states: list[str] = []
    for health in log.all(ConnectionHealth, lambda health: health.detail != LISTENING):
        if not states or states[-1] != health.state:
            states.append(health.state)
    assert states == ["idle", "connecting", "authenticating", "subscribing", "streaming"]
    assert client.usable("SPY"), client.assess("SPY").reasons


def test_hundred_clients_at_once_cause_one_connection(world: World, stopwatch: Stopwatch) -> None:
    world.broker()
    world.exchange("--rate", "500")
    world.node()
    log = world.log(b"symbols.", b"health.")
    log.health("idle")
    clients = [world.client(f"c{number}") for number in range(100)]

    def ask(number: int) -> None:
        clients[number].request([f"SYM{number}", "SPY"])

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(ask, range(100)))
    acked = {ack.client for ack in log.all(SymbolsAcknowledged)}
    asked_ns = now_ns()
    eventually(lambda: acked.update(ack.client for ack in log.all(SymbolsAcknowledged)) or len(acked) == 100)
    took_s = stopwatch.seconds(asked_ns)
    assert took_s < 1.0 + 0.5, f"the last acknowledgement took {took_s:.2f} s"
    log.wait(ConnectionHealth, lambda health: health.acknowledged == 101)
    state = world.control.state()
    assert state["upgraded_total"] == 1
    assert state["max_simultaneous"] == 1


def test_recovers_after_a_failed_start(world: World) -> None:
    world.broker()
    world.exchange("--faults", "refuse")
    world.node()
    log = world.log()
    client = world.client("early")
    results = client.request(["SPY"], wait_s=0.5)
    assert results["SPY"].state == "pending"
    assert not client.is_connected
    failed, _ = log.wait(ConnectionHealth, lambda health: health.state == "backing_off")
    assert failed.cause == "connect_refused"
    assert failed.next_retry_ns is not None
    assert client.symbols == ("SPY",)
    world.control.lift_faults()
    eventually(lambda: client.usable("SPY"), why="usable after the exchange came back")
    assert world.control.state()["max_simultaneous"] == 1
