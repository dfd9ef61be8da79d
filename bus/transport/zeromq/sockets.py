"""The one socket factory: every ZeroMQ socket of the project is made here, with the options its role needs.

Options act only on later binds and connects, so a socket is complete before it is handed out. Why each option is what
it is: `bus/README.md`, "Sockets". A test reads every one back.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import Enum

import zmq

from quotebus.bus.codec import MAX_FRAME_BYTES
from quotebus.bus.transport.zeromq.key_files import KeyPair

DATA_HWM = 50_000
NO_LIMIT = 0
"""Subscriptions are messages too, and a bound on them silently loses topics, so their direction has none."""
SUBSCRIPTION_BYTES = 1_024
"""The longest message a subscriber may send: libzmq goes one level deeper for each byte of a topic when it takes a
subscription back, and ends the process where the stack ends. A CURVE handshake needs more than 256."""

_SELDOM_MS = 1_000
"""Between attempts to connect to a folder in which nobody has listened yet."""
_COMMON: dict[int, int] = {
    zmq.LINGER: 0,
    zmq.MAXMSGSIZE: MAX_FRAME_BYTES,
    zmq.HEARTBEAT_IVL: 1_000,
    zmq.HEARTBEAT_TIMEOUT: 3_000,
    zmq.HEARTBEAT_TTL: 3_000,
    zmq.HANDSHAKE_IVL: 3_000,
    zmq.CONNECT_TIMEOUT: 2_000,
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 200,
    zmq.BACKLOG: 1_024,
}
_SENDS: dict[int, int] = {zmq.SNDHWM: DATA_HWM, zmq.RCVHWM: NO_LIMIT}
_RECEIVES: dict[int, int] = {zmq.RCVHWM: DATA_HWM, zmq.SNDHWM: NO_LIMIT}
# A bound on what comes in over TCP loses nothing: the sender waits, in its own memory.
_FANS_OUT: dict[int, int] = {zmq.SNDHWM: DATA_HWM, zmq.RCVHWM: 1_000, zmq.MAXMSGSIZE: SUBSCRIPTION_BYTES}
_LISTENS: dict[int, int] = {zmq.SNDHWM: NO_LIMIT, zmq.RCVHWM: 256}
# Only a socket with a single peer may refuse to drop: on a fan-out one stuck peer would stop all the others.
_ONE_PEER: dict[int, int] = {zmq.XPUB_NODROP: 1, zmq.IMMEDIATE: 1}
# While a reader's queue is full it reads no heartbeats either, finds its line dead, and libzmq may abort the process
# when it reads on (zeromq/libzmq#3937). The kernel's probes are answered whatever the two programs do.
_KEEPALIVE: dict[int, int] = {
    zmq.HEARTBEAT_IVL: 0,
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 1,
    zmq.TCP_KEEPALIVE_INTVL: 1,
    zmq.TCP_KEEPALIVE_CNT: 3,
}


class Role(Enum):
    """What a socket is for, its type, and its options beside the common ones."""

    BROKER_PUBLISH = ("broker, data in", zmq.SUB, _RECEIVES)
    BROKER_SUBSCRIBE = ("broker, everything out", zmq.PUB, _FANS_OUT)
    BROKER_REQUEST = ("broker, requests in", zmq.SUB, _LISTENS)
    BROKER_ADMIT = ("broker, requests on to the proxy", zmq.XPUB, {**_SENDS, **_ONE_PEER})
    PUBLISH = ("node, data", zmq.XPUB, {**_SENDS, **_ONE_PEER})
    REQUEST = ("client, requests", zmq.XPUB, {**_SENDS, **_ONE_PEER, zmq.LINGER: 500})
    SUBSCRIBE = ("client or node, listening", zmq.SUB, _RECEIVES)
    TAP = ("a reader that may be slow", zmq.SUB, {**_RECEIVES, **_KEEPALIVE})
    PROXY_CONTROL = ("the proxy's command line", zmq.PAIR, {zmq.SNDHWM: DATA_HWM, zmq.RCVHWM: DATA_HWM})

    def options(self) -> dict[int, int]:
        """Every option a socket of this role is made with."""
        own: dict[int, int] = self.value[2]
        return {**_COMMON, **own}


def make(context: zmq.Context[zmq.Socket[bytes]], role: Role) -> zmq.Socket[bytes]:
    """A socket of this role, neither bound nor connected; the thread that uses it must be the one that closes it."""
    socket = context.socket(role.value[1])
    for option, value in role.options().items():
        socket.setsockopt(option, value)
    return socket


def be_server(socket: zmq.Socket[bytes], endpoint: str, keys: KeyPair) -> None:
    """Let nobody in but whom the key gate admits to this endpoint.

    Without a domain, or without enforcing it, ZeroMQ would let everybody in while no gate answers; so what was set is
    read back. Raises RuntimeError when it does not stand.
    """
    wanted: dict[int, int | bytes] = {
        zmq.ZAP_DOMAIN: endpoint.encode(),
        zmq.ZAP_ENFORCE_DOMAIN: 1,
        zmq.CURVE_SECRETKEY: keys.secret,
        zmq.CURVE_SERVER: 1,
    }
    for option, value in wanted.items():
        socket.setsockopt(option, value)
    domain = socket.getsockopt_string(zmq.ZAP_DOMAIN)
    enforced, server = (socket.getsockopt(option) for option in (zmq.ZAP_ENFORCE_DOMAIN, zmq.CURVE_SERVER))
    if (domain, enforced, server, socket.getsockopt(zmq.MECHANISM)) != (endpoint, 1, 1, int(zmq.CURVE)):
        raise RuntimeError(f"{endpoint}: ZeroMQ does not guard this endpoint")


def be_client(socket: zmq.Socket[bytes], keys: KeyPair) -> None:
    """Speak under these keys, to the broker that has the secret of theirs and to no other."""
    socket.setsockopt(zmq.CURVE_SERVERKEY, keys.broker)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)


def connect(socket: zmq.Socket[bytes], urls: Sequence[str]) -> None:
    """Connect in the background to the first, and to the others, where a broker is rarely, with little hurry."""
    for number, url in enumerate(urls):
        if number:
            socket.setsockopt(zmq.RECONNECT_IVL, _SELDOM_MS)
            socket.setsockopt(zmq.RECONNECT_IVL_MAX, 0)
        socket.connect(url)


def bind(socket: zmq.Socket[bytes], url: str) -> str:
    """Bind, and return the endpoint with its real port (port 0 asks for a free one). Raises zmq.ZMQError."""
    if url.startswith("ipc://"):
        socket.setsockopt(zmq.IPC_FILTER_UID, os.geteuid())  # what the folder's mode says, once more
    socket.bind(f"{url[:-2]}:*" if url.endswith(":0") else url)
    return socket.getsockopt_string(zmq.LAST_ENDPOINT)
