"""Forged messages at every endpoint of a broker, under every key that must not bring them: none may arrive.

A cell is an endpoint, a kind of message, a key, a shape, and whether the broker's handler of keys answers. A peer goes
as far as it can: it sends whatever the broker has subscribed to, and subscribes to everything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import zmq

from quotebus.bus.clock import NS_PER_MS, now_ns, utc_ns
from quotebus.bus.codec import MAX_FRAME_BYTES
from quotebus.bus.events import Counters, Event
from quotebus.bus.sequence import Stamper
from quotebus.bus.transport.zeromq.key_files import KeyPair
from quotebus.bus.transport.zeromq.sockets import be_client
from tests.support.samples import SAMPLES, like

MARK = "FORGED"
NAME, VICTIM = "strat", "victim"
KINDS = ("quote", "health", "symbol", "symbols.acknowledged", "order", "intent", "symbols.requested", "counters")
SHAPES = ("first", "second part", "oversize")
ENDPOINTS = {"publish": zmq.XPUB, "subscribe": zmq.XSUB, "request": zmq.XPUB}
KEYS = ("none", "plain", "unknown", "wrong server", "revoked", "other role", "wrong name")
GIVE_MS = 400
"""How long a peer tries; a handshake takes a few milliseconds."""


@dataclass
class Tally:
    """What was tried, and what came of it."""

    attempts: int = 0
    arrived: list[str] = field(default_factory=list)
    let_in: list[str] = field(default_factory=list)
    dropped: int = 0
    """Of those, what a reader dropped that hears everything; the server has refused the others."""
    dropped_by_node: int = 0
    """And what a reader of requests and healths did."""

    @property
    def accepted(self) -> int:
        return len(self.arrived) + len(self.let_in)


def forge(kind: str) -> bytes:
    """A message in the name of another."""
    changes = {"client": VICTIM} if kind in ("intent", "symbols.requested", "symbols.acknowledged") else {}
    event: Event = Counters(program=MARK, counters={}) if kind == "counters" else like(SAMPLES[kind], **changes)
    return Stamper(f"{VICTIM}-{MARK}").frame(event, utc_ns())


def shapes_of(frame: bytes, own: bytes) -> Iterator[tuple[str, list[bytes]]]:
    yield "first", [frame]
    yield "second part", [own, frame]
    yield "oversize", [frame + bytes(MAX_FRAME_BYTES)]


def is_forgery(endpoint: str, key: str) -> bool:
    """Whether nothing of this key may arrive from there: a node may publish, everybody admitted may subscribe."""
    return endpoint == "request" or key != "wrong name"


class Peer:
    """A hostile peer at one endpoint. `pair` is its key, None for none."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], url: str, endpoint: str, key: str, pair: KeyPair
    ) -> None:
        self.socket: zmq.Socket[bytes] = context.socket(ENDPOINTS[endpoint])
        self.socket.linger = 0
        self.endpoint, self.key = endpoint, key
        self.succeeded = self.ready = False
        """Let in; and the broker has told what it wants to hear."""
        if key == "plain":
            self.socket.plain_username, self.socket.plain_password = b"strat", b"strat"
        elif key != "none":
            be_client(self.socket, pair)
        if endpoint != "subscribe":
            self.socket.setsockopt(zmq.XPUB_MANUAL, 1)
        else:
            self.socket.send(b"\x01")
        self._monitor = self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self.socket.connect(url)

    def send_all(self, *shapes: str) -> int:
        """Every kind in these shapes; how many were tried."""
        count = 0
        own = Stamper(f"{NAME}-0a0b0c").frame(Counters(program=MARK, counters={}), utc_ns())
        for kind in KINDS:
            for shape, parts in shapes_of(forge(kind), own):
                if shape not in shapes:
                    continue
                count += 1
                with contextlib.suppress(zmq.Again):
                    self.socket.send_multipart(parts, zmq.NOBLOCK)
        return count

    def read(self) -> bytes:
        """Take subscriptions, which open the way for everything; what came as data, if anything did."""
        heard = b""
        while self.socket.poll(0):
            heard = b"".join(self.socket.recv_multipart())
            if self.endpoint != "subscribe":
                self.socket.setsockopt(zmq.SUBSCRIBE, b"")
                self.ready = True
        if self._monitor.poll(0):
            self._monitor.recv_multipart()
            self.succeeded = True
        return heard if self.endpoint == "subscribe" else b""

    def close(self) -> None:
        self.socket.disable_monitor()
        self._monitor.close(linger=0)
        self.socket.close(linger=0)


@contextmanager
def peers(urls: dict[str, str], pairs: dict[str, KeyPair], keys: tuple[str, ...]) -> Iterator[list[Peer]]:
    """One for each endpoint and key."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    made = [
        Peer(context, url, endpoint, key, pairs[key])
        for endpoint, url in urls.items()
        for key in keys
        if is_forgery(endpoint, key)
    ]
    try:
        yield made
    finally:
        for peer in made:
            peer.close()
        context.term()


def _let_them_try(hostile: list[Peer], tally: Tally, handler: str, for_ms: int = GIVE_MS) -> None:
    until_ns = now_ns() + for_ms * NS_PER_MS
    sent: set[Peer] = set()
    poller = zmq.Poller()
    for peer in hostile:
        poller.register(peer.socket, zmq.POLLIN)
    while now_ns() < until_ns:
        for peer in hostile:
            if peer.read() and peer.key != "wrong name":
                tally.let_in.append(f"{peer.endpoint}, {peer.key}, handler {handler}: it hears the bus")
            if peer.ready and peer not in sent:
                sent.add(peer)
                peer.send_all(*SHAPES[:2])
        poller.poll(10)


def attack(
    urls: dict[str, str], pairs: dict[str, KeyPair], spy: zmq.Socket[bytes] | None, tally: Tally, *, handler: str
) -> None:
    """One round: every cell of these endpoints once. With a dead handler no key at all gets in."""
    with peers(urls, pairs, KEYS) as hostile:
        _let_them_try(hostile, tally, handler)
        for peer in hostile:
            tally.attempts += peer.send_all(*SHAPES[:2])
        _let_them_try(hostile, tally, handler, for_ms=GIVE_MS // 4)
        for peer in hostile:  # last, since it costs the connection
            tally.attempts += peer.send_all(*SHAPES[2:])
        _let_them_try(hostile, tally, handler, for_ms=GIVE_MS // 4)
        for peer in hostile:
            if peer.succeeded and (handler == "dead" or peer.key != "wrong name"):
                tally.let_in.append(f"{peer.endpoint}, {peer.key}, handler {handler}: let in")
    while spy is not None and spy.poll(200):
        frame = b"".join(spy.recv_multipart())
        if MARK.encode() in frame:
            tally.arrived.append(f"handler {handler}: {frame[:60]!r}")
