"""The control thread in this process, between a real broker and nothing upstream."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from quotebus import pricing
from quotebus.bus import codec
from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.events import ConnectionHealth, Counters, MarketSession, SymbolsAcknowledged
from quotebus.bus.transport.zeromq.broker import Broker
from quotebus.bus.transport.zeromq.sockets import Role, make
from quotebus.pricing import sessions
from quotebus.pricing.node import Node, ThreadEnded
from quotebus.pricing.orders.core import OrderCore
from quotebus.pricing.settings import PricingSettings
from tests.support.bus import FREE, settings_of
from tests.support.counters import documented
from tests.support.eventlog import EventLog
from tests.support.pricing import request
from tests.support.programs import eventually

SECRET = "canary-secret"


class Bus:
    """A broker in a thread, nodes in threads, and a raw requester."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self.folder, self.opened = folder, opened
        broker = Broker(FREE)
        self.urls: dict[str, Any] = settings_of(broker).model_dump()
        self._thread(broker.run, broker.stop)
        self.log = EventLog(broker.subscribe_url, b"health.", b"symbols.acknowledged.", b"counters.")
        opened.callback(self.log.close)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        opened.callback(context.destroy, linger=0)
        self.requester = make(context, Role.REQUEST)
        self.requester.connect(broker.request_url)
        assert self.requester.poll(5_000), "the broker subscribes"

    def node(self, **settings: object) -> Node:
        fields = {
            **self.urls, "pricing_upstream_url": "ws://127.0.0.1:1/v2/iex", "pricing_lock_dir": self.folder, **settings,
        }  # fmt: skip
        node = Node(PricingSettings(**fields), lambda: ("key", SECRET))  # type: ignore[arg-type]
        self._thread(node.run, node.stop)
        return node

    def _thread(self, run: object, stop: object) -> None:
        thread = threading.Thread(target=run, daemon=True)  # type: ignore[arg-type]
        thread.start()

        def end() -> None:
            began_ns = now_ns()
            stop()  # type: ignore[operator]
            thread.join(10)
            assert not thread.is_alive()
            assert now_ns() - began_ns < 5 * NS_PER_S

        self.opened.callback(end)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    with ExitStack() as opened:
        yield Bus(tmp_path, opened)


def test_a_request_is_counted_acknowledged_and_makes_it_dial(bus: Bus) -> None:
    node = bus.node()
    idle, _ = bus.log.health("idle")
    assert idle.source == node.source
    bus.requester.send(codec.encode(request("me", ("SPY", "!"), request_id="r1")))
    ack, _ = bus.log.wait(SymbolsAcknowledged)
    assert (ack.client, ack.request_id, [row.symbol for row in ack.results]) == ("me", "r1", ["SPY", "!"])
    failed, _ = bus.log.health("backing_off")
    assert failed.cause == "connect_refused"
    assert failed.next_retry_ns is not None
    counters, _ = bus.log.wait(Counters, lambda c: c.source == node.source and c.counters["requests"] == 1)
    assert counters.counters.keys() == documented(Path(pricing.__file__).parent / "README.md", "## Counters")
    assert counters.counters["ack_parts"] == 1
    assert counters.counters["dials"] >= 1
    assert SECRET not in repr(bus.log.heard)


def test_health_names_the_feed_of_the_address_and_its_class(bus: Bus) -> None:
    bus.node(pricing_upstream_url="ws://127.0.0.1:1/v2/delayed_sip")
    health, _ = bus.log.wait(ConnectionHealth, lambda health: health.node == "pricing")
    assert (health.feed, health.feed_class) == ("delayed_sip", "simulated")


def test_refusals_are_counted_by_cause(bus: Bus) -> None:
    node = bus.node()
    bus.log.health("idle")
    bus.requester.send(codec.encode(request("me", ("SPY",), channels=("bars",))))
    refused, _ = bus.log.wait(SymbolsAcknowledged)
    assert refused.cause == "bad_request"
    bus.log.wait(Counters, lambda c: c.source == node.source and c.counters["requests_bad_request"] == 1)


def test_what_cannot_be_read_is_counted_and_another_version_named_once(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="quotebus.pricing"):
        node = bus.node()
        bus.log.health("idle")
        newer = codec.encode(msgspec.structs.replace(request(), version=2))
        for frame in (newer, newer, b"symbols.requested\0junk", b"symbols.requested\0"):
            bus.requester.send(frame)
        eventually(lambda: node.control_counters.counts["undecodable"] == 4)
    counts = node.counters()
    assert counts["unknown_version"] == counts["undecodable_malformed"] == 2
    assert counts["undecodable_topic"] == 0
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2, "each kind once"
    assert "another wire version" in told[0]
    assert "version 2" in told[0]
    assert "cannot be read" in told[1]
    assert bus.log.all(SymbolsAcknowledged) == []


def test_a_second_node_of_the_account_stands_by_and_takes_over(bus: Bus) -> None:
    first = bus.node()
    bus.log.health("idle")
    second = bus.node(pricing_node="second")
    standing, _ = bus.log.wait(ConnectionHealth, lambda health: health.source == second.source)
    assert (standing.state, standing.cause) == ("standby", "other_node")
    first.stop()
    bus.log.wait(ConnectionHealth, lambda health: health.source == first.source and health.state == "stopped")
    bus.log.wait(ConnectionHealth, lambda health: health.source == second.source and health.state == "idle")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_order_stream_that_dies_says_so_and_starts_again_and_the_node_goes_on(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    armed = threading.Event()
    sound = OrderCore.on_time

    def on_time(core: OrderCore, now_ns: int) -> None:
        if armed.is_set():
            armed.clear()
            raise KeyError("stands for an error of ours")
        sound(core, now_ns)

    monkeypatch.setattr(OrderCore, "on_time", on_time)
    node = bus.node(
        pricing_order_stream=True,
        pricing_order_stream_url="ws://127.0.0.1:1/stream",
        pricing_order_rest_url="http://127.0.0.1:1",
    )
    bus.log.wait(ConnectionHealth, lambda h: h.node == "pricing.orders" and h.cause == "connect_refused")
    armed.set()
    ended, _ = bus.log.wait(ConnectionHealth, lambda h: h.node == "pricing.orders" and h.detail.startswith("ended"))
    assert (ended.state, ended.detail, ended.attempt) == ("backing_off", "ended by KeyError", 1)
    mark = bus.log.position()
    bus.log.wait(
        ConnectionHealth, lambda h: h.node == "pricing.orders" and h.cause == "connect_refused", since=mark, within_s=10
    )
    health, _ = bus.log.wait(ConnectionHealth, lambda h: h.node == "pricing", since=mark)
    assert health.state == "idle"
    assert node.counters()["orders_restarts"] == 1


def test_without_its_hot_thread_a_node_ends(bus: Bus) -> None:
    fields = {**bus.urls, "pricing_upstream_url": "ws://127.0.0.1:1/", "pricing_lock_dir": bus.folder}
    node = Node(PricingSettings(**fields), lambda: ("", ""))  # type: ignore[arg-type]
    node._hot._stopping = True
    with pytest.raises(ThreadEnded, match="the hot thread has ended"):
        node.run()


def test_the_calendars_end_is_told_once_and_the_session_with_it(
    bus: Bus, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node of a real feed, which never dials here: nobody asks for anything."""
    monkeypatch.setattr(sessions, "WARN_DAYS", 100_000)
    caplog.set_level(logging.WARNING, "quotebus.pricing.node")
    bus.node(pricing_feed_class="real_time")
    bus.log.wait(Counters, lambda counted: counted.program == "pricing-node")
    bus.log.wait(Counters, lambda counted: counted.program == "pricing-node", since=bus.log.position())
    assert sum("the calendar of market days ends on" in text for text in caplog.messages) == 1
    health, _ = bus.log.wait(ConnectionHealth, lambda health: health.feed_class == "real_time")
    assert health.session in set(MarketSession)
