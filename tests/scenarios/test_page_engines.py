"""The page in a real browser and an unmodified SDK at the edge, where a key or a user says who everybody is."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from quotebus.bus.clock import utc_ns
from quotebus.bus.sequence import Stamper
from quotebus.bus.transport.engines import open_engine
from tests.scenarios.test_edge import Edge, Sdk
from tests.scenarios.test_page import SYMBOLS, Screen
from tests.support.browser import MISSING
from tests.support.certificates import needs_openssl
from tests.support.nats_server import needs_server
from tests.support.programs import eventually
from tests.support.samples import REQUESTED, like
from tests.support.world import World

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ENGINES = ["tcp-keys", pytest.param("nats-tls", marks=[needs_server, needs_openssl])]


@pytest.fixture
def screen(tmp_path: Path, engine: str) -> Iterator[Screen]:
    screen = Screen(tmp_path, engine)
    try:
        yield screen
    finally:
        screen.close()


def ask(screen: Screen, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(screen.url.split("/")[2], timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_page_and_sdk_live_through_the_end_of_what_carries_the_bus(screen: Screen) -> None:
    screen.all_usable()
    before = screen.browser.text("tbody")
    screen.browser.wait(f"document.querySelector('tbody').innerText !== {before!r}", "prices move")
    assert screen.browser.text("#verdict") == "streaming"
    assert (ask(screen, "/healthz")[0], ask(screen, "/readyz")[0]) == (200, 200)
    metrics = ask(screen, "/metrics")[1]
    assert 'counter="forged"' in metrics, "programs are heard, and what they count"
    edge = Edge.of(screen.world)
    sdk = Sdk(edge.url, *SYMBOLS)
    eventually(lambda: len(sdk.heard) == len(SYMBOLS))
    screen.carrier.kill()
    screen.none_usable("not heard")
    screen.world.broker()
    screen.all_usable()
    heard = sdk.heard.copy()
    eventually(lambda: all(sdk.heard[symbol] > heard[symbol] + 5 for symbol in SYMBOLS))
    assert edge.upstream_sockets() == 1
    sdk.stop()
    assert screen.browser.complaints == []


def say_as_another(world: World) -> None:
    """A request in a name that is not the user's."""
    engine = open_engine(world.settings("worker").bus_address)
    publisher = engine.requester()
    publisher.connect()
    eventually(lambda: publisher.news() and publisher.connected)
    assert publisher.send(Stamper("desk-0a0b0c").frame(like(REQUESTED, client="desk", symbols=("MSFT",)), utc_ns()))
    publisher.flush()
    publisher.close()
    engine.close()


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_what_the_page_drops_as_forged_it_counts(screen: Screen) -> None:
    screen.all_usable()
    say_as_another(screen.world)
    eventually(lambda: "quotebus_forged_messages_total 1.0" in ask(screen, "/metrics")[1])
    eventually(lambda: 'kind="dropped",program="pricing-node"' in ask(screen, "/metrics")[1])
    assert "desk-0a0b0c" not in ask(screen, "/metrics")[1]
    screen.all_usable()
