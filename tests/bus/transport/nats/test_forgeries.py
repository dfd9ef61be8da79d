"""Nothing arrives in another's name over a server with roles: not at a reader, and not at the programs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from quotebus.bus.clock import utc_ns
from quotebus.bus.events import Counters, Event, IntentReport, SymbolsAcknowledged
from quotebus.bus.sequence import Stamper
from quotebus.bus.transport.engines import open_engine
from quotebus.bus.transport.line import Engine, Publisher
from tests.forgeries.over_nats import USERS, VICTIMS, forge_over_nats, forgeries
from tests.support.certificates import needs_openssl
from tests.support.nats_server import needs_server
from tests.support.programs import eventually
from tests.support.samples import INTENT, REQUESTED, like
from tests.support.world import World

pytestmark = [needs_server, needs_openssl]


def test_no_forgery_arrives_of_any_kind_from_any_user(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "quotebus")
    tally = forge_over_nats(tmp_path, 1_000)
    assert tally.attempts >= 1_000
    assert tally.arrived == []
    each = sum(len(forgeries(user, VICTIMS[user], 1)) for user in USERS)
    assert 2 * each > tally.dropped > each / 4, "the rest is refused by the server"
    assert tally.dropped_by_node > 0


class Forger:
    """A worker whose user is `worker`, with whatever names it likes."""

    def __init__(self, world: World) -> None:
        self._engine: Engine = open_engine(world.settings("worker").bus_address)
        self._publisher: Publisher = self._engine.requester()
        self._publisher.connect()
        eventually(lambda: self._publisher.news() and self._publisher.connected)

    def say(self, source: str, event: Event) -> None:
        self._publisher.news()
        assert self._publisher.send(Stamper(source).frame(event, utc_ns()))
        self._publisher.flush()

    def close(self) -> None:
        self._engine.close(0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, engine="nats-tls")
    world.broker()
    world.exchange("--rate", "200")
    try:
        yield world
    finally:
        world.close()


def test_programs_take_nothing_in_another_s_name_and_count_it(world: World) -> None:
    world.node()
    log = world.log(b"counters.", b"symbols.acknowledged.", b"report.")
    worker = world.worker(
        EXECUTION_INTENTS_FROM="desk,worker-desk",
        EXECUTION_GATEWAY="simulator",
        EXECUTION_ORDERS_URL=f"{world.environment['PRICING_ORDER_REST_URL']}/v2",
        EXECUTION_JOURNAL_DIR=str(world.folder / "journals"),
    )
    log.wait(Counters, lambda each: each.program == "worker-execution")
    client = world.client("reader")
    client.request(["SPY"], wait_s=20)
    forger = Forger(world)
    ask = like(REQUESTED, client="desk", symbols=("MSFT",), halts=())
    wish = like(INTENT, client="desk", intent_id="forged", deadline_ns=utc_ns() + 10**11)
    for _ in range(3):
        forger.say("worker-0a0b0c", ask)
        forger.say("desk-0a0b0c", ask)
        forger.say("desk-0a0b0c", like(ask, client="worker-desk"))
        forger.say("worker-0a0b0c", wish)
        forger.say("desk-0a0b0c", wish)
        forger.say("desk-0a0b0c", like(wish, client="worker-desk"))
        forger.say("replay:desk-0a0b0c", wish)
    forger.say("worker-0a0b0c", like(ask, client="worker-honest", request_id="honest"))
    forger.say("worker-0a0b0c", like(wish, client="worker-desk", intent_id="honest"))
    answer, _ = log.wait(SymbolsAcknowledged, lambda each: each.request_id == "honest")
    assert answer.source.startswith("node-")
    log.wait(IntentReport, lambda each: each.intent_id == "honest")
    log.wait(Counters, lambda each: each.program == "pricing-node" and each.counters["forged"] == 9)
    assert all(each.client.startswith("worker-") for each in log.all(SymbolsAcknowledged))
    assert not log.all(SymbolsAcknowledged, lambda each: each.client == "worker-desk")
    assert {each.intent_id for each in log.all(IntentReport)} == {"honest"}
    assert all(each.worker.startswith("worker-") for each in log.all(IntentReport))
    assert client.counters["forged"] == 0, "it has not asked for any of it"
    worker.line("messages dropped, in another's name than that of the user who sent them, the last under")
    forger.close()
