"""The tap's socket: what it hears, when it is woken, what wakes it besides."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from quotebus.bus.address import BusAddress
from quotebus.bus.clock import NS_PER_MS, now_ns
from quotebus.bus.transport.engines import open_engine
from quotebus.bus.transport.tap_socket import TapSubscriber
from tests.support.bus import FakeNode, fake_node, running_broker
from tests.support.programs import eventually


@pytest.fixture
def node() -> Iterator[tuple[BusAddress, FakeNode]]:
    with running_broker() as settings, fake_node(settings) as node:
        yield settings.bus_address, node


def test_it_hears_its_prefixes_and_knows_whether_it_is_connected(node: tuple[BusAddress, FakeNode]) -> None:
    address, _ = node
    tap = TapSubscriber(open_engine(address), [b"health."])
    assert not tap.connected
    frames: list[bytes] = []
    eventually(lambda: frames.extend(tap.receive(50)) or len(frames) >= 2)
    assert tap.connected
    assert all(frame.startswith(b"health.pricing\0") for frame in frames)
    tap.close()


def test_while_it_gathers_only_other_descriptors_wake_it(node: tuple[BusAddress, FakeNode]) -> None:
    address, fake = node
    reader, writer = os.pipe()
    tap = TapSubscriber(open_engine(address), [b"health.", b"quote."], gather_ms=10_000)
    tap.also_wake_on(reader)
    eventually(lambda: tap.receive(50))
    fake.tick("SPY", 10)
    began_ns = now_ns()
    assert tap.receive(100) == []
    assert now_ns() - began_ns >= 100 * NS_PER_MS
    os.write(writer, b"q")
    began_ns = now_ns()
    assert tap.receive(5_000) == []
    assert now_ns() - began_ns < 4_000 * NS_PER_MS
    tap.close()
    os.close(reader)
    os.close(writer)
