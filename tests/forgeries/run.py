"""Rounds of forgeries against a running broker, and against one whose handler of keys never answers."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import zmq

from quotebus.bus.clock import utc_ns
from quotebus.bus.events import Counters
from quotebus.bus.sequence import Stamper
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.zeromq.broker import Broker
from quotebus.bus.transport.zeromq.key_files import KeyPair
from quotebus.bus.transport.zeromq.key_folder import make_pair
from quotebus.bus.transport.zeromq.sockets import Role, be_client, make
from tests.forgeries.matrix import ENDPOINTS, NAME, Tally, attack
from tests.support.keyed import KeyedBroker, Keys
from tests.support.programs import eventually

ROLES = {"publish": "worker", "subscribe": "worker", "request": "observer"}
"""By endpoint, a role that is admitted elsewhere."""


def forge_for(folder: Path, attempts: int) -> Tally:
    """At least so many attempts. AssertionError when what is honest does not arrive: then nothing was shown."""
    keys, tally = Keys(folder), Tally()
    pairs, listener = make_pairs(keys), keys.make("observer", "spy")
    with closing(KeyedBroker(keys)) as broker, Spy(broker, listener) as spy:
        while tally.attempts < attempts // 2:
            for endpoint, url in broker.urls.items():
                attack({endpoint: url}, pairs[endpoint], spy.socket, tally, handler="up")
        spy.hears_what_is_honest(pairs["request"]["wrong name"])
    idle = Broker(BusSettings(bus_url="tcp://127.0.0.1:0", bus_plain_loopback=True), keys=keys.folder)  # never runs
    urls = dict(zip(ENDPOINTS, (idle.publish_url, idle.subscribe_url, idle.request_url), strict=True))
    try:
        while tally.attempts < attempts:
            for endpoint, url in urls.items():
                attack({endpoint: url}, pairs[endpoint], None, tally, handler="dead")
    finally:
        idle.context.destroy(linger=0)
    return tally


def make_pairs(keys: Keys) -> dict[str, dict[str, KeyPair]]:
    """By endpoint and key of the matrix."""
    worker, revoked = keys.make("worker", NAME), keys.make("worker", "gone")
    keys.revoke(revoked)
    unknown = make_pair(worker.program, keys.broker.public)
    elsewhere = make_pair(worker.program, unknown.public)
    others = {"worker": worker, "observer": keys.make("observer", "looker")}
    common = {"none": unknown, "plain": unknown, "unknown": unknown, "wrong server": elsewhere, "revoked": revoked}
    nobody = unknown  # at the subscribe endpoint every role may listen
    return {
        endpoint: {**common, "other role": nobody if endpoint == "subscribe" else others[role], "wrong name": worker}
        for endpoint, role in ROLES.items()
    }


class Spy:
    """Hears everything that crosses the bus, under a key of its own."""

    def __init__(self, broker: KeyedBroker, keys: KeyPair) -> None:
        self._broker = broker
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = make(self._context, Role.SUBSCRIBE)
        be_client(self.socket, keys)
        self.socket.subscribe(b"")
        self.socket.connect(broker.urls["subscribe"])
        eventually(lambda: self.socket.poll(100), why="the broker's own counters")

    def __enter__(self) -> Spy:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.destroy(linger=0)

    def hears_what_is_honest(self, worker: KeyPair) -> None:
        """The same key in its own name arrives."""
        with closing(make(self._context, Role.REQUEST)) as socket:
            be_client(socket, worker)
            socket.connect(self._broker.urls["request"])
            frame = Stamper(f"{worker.program.name}-0a0b0c").frame(Counters(program="honest", counters={}), utc_ns())

            def arrives() -> bool:
                while socket.poll(0):
                    socket.recv()
                if socket.poll(10, zmq.POLLOUT):
                    socket.send(frame)
                heard = self.socket.recv() if self.socket.poll(100) else b""
                return heard == frame

            eventually(arrives, why="an honest message")
