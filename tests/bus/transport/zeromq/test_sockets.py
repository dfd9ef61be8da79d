"""Every option is read back from a real socket; what libzmq does not give back is shown by behaviour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import pytest
import zmq

from quotebus.bus.codec import MAX_FRAME_BYTES
from quotebus.bus.transport.zeromq.sockets import DATA_HWM, Role, bind, make
from tests.support.programs import eventually

WRITE_ONLY = {zmq.XPUB_NODROP}
"""libzmq answers EINVAL when asked for it."""
FAN_OUT = {Role.BROKER_SUBSCRIBE}
Socket: TypeAlias = "zmq.Socket[bytes]"


class Bench:
    """Makes sockets and closes them at the end of the test."""

    def __init__(self) -> None:
        self.context: zmq.Context[Socket] = zmq.Context()
        self._made: list[Socket] = []

    def make(self, role: Role) -> Socket:
        return self.keep(make(self.context, role))

    def keep(self, socket: Socket) -> Socket:
        self._made.append(socket)
        return socket

    def close(self) -> None:
        for socket in self._made:
            socket.close(linger=0)
        self.context.destroy(linger=0)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


@pytest.mark.parametrize("role", Role)
def test_every_option_reads_back(role: Role, bench: Bench) -> None:
    socket = bench.make(role)
    assert socket.getsockopt(zmq.TYPE) == role.value[1]
    read = {option: socket.getsockopt(option) for option in role.options().keys() - WRITE_ONLY}
    assert read == {option: value for option, value in role.options().items() if option in read}


@pytest.mark.parametrize("role", Role)
def test_what_every_role_has(role: Role, bench: Bench) -> None:
    socket = bench.make(role)
    assert socket.getsockopt(zmq.LINGER) == (500 if role is Role.REQUEST else 0)
    longest = 1024 if role is Role.BROKER_SUBSCRIBE else MAX_FRAME_BYTES
    assert socket.getsockopt(zmq.MAXMSGSIZE) == longest
    assert MAX_FRAME_BYTES == (1 << 20) + 1024
    assert socket.getsockopt(zmq.HEARTBEAT_IVL) == (0 if role is Role.TAP else 1000)
    assert socket.getsockopt(zmq.HEARTBEAT_TIMEOUT) == 3000
    assert socket.getsockopt(zmq.HANDSHAKE_IVL) == 3000
    assert [socket.getsockopt(o) for o in (zmq.RECONNECT_IVL, zmq.RECONNECT_IVL_MAX)] == [100, 200]


def test_a_reader_that_may_be_slow_leaves_finding_a_dead_line_to_the_kernel(bench: Bench) -> None:
    socket = bench.make(Role.TAP)
    probes = (zmq.TCP_KEEPALIVE, zmq.TCP_KEEPALIVE_IDLE, zmq.TCP_KEEPALIVE_INTVL, zmq.TCP_KEEPALIVE_CNT)
    assert [socket.getsockopt(option) for option in (zmq.HEARTBEAT_IVL, *probes)] == [0, 1, 1, 1, 3]


def test_data_is_bounded_and_subscriptions_are_not(bench: Bench) -> None:
    for role in Role:
        marks = tuple(bench.make(role).getsockopt(option) for option in (zmq.SNDHWM, zmq.RCVHWM))
        if role.value[1] == zmq.XPUB:
            assert marks == (DATA_HWM, 0), role
        elif role is Role.BROKER_SUBSCRIBE:
            assert marks == (DATA_HWM, 1_000), "what a subscriber sends waits with the subscriber"
        elif role is Role.BROKER_REQUEST:
            assert marks == (0, 256), "what a client sends waits with the client"
        elif role.value[1] in (zmq.SUB, zmq.XSUB):
            assert marks == (0, DATA_HWM), role
        else:
            assert 0 not in marks, role


def test_only_roles_with_one_peer_refuse_to_drop() -> None:
    refusing = {role for role in Role if role.options().get(zmq.XPUB_NODROP)}
    assert refusing == {Role.PUBLISH, Role.REQUEST, Role.BROKER_ADMIT}
    assert not refusing & FAN_OUT


@pytest.mark.parametrize(("role", "refuses"), [(Role.PUBLISH, True), (Role.BROKER_SUBSCRIBE, False)])
def test_nodrop_shows_in_behaviour(role: Role, refuses: bool, bench: Bench) -> None:
    """A peer that never reads: the node's publisher is told (EAGAIN), the broker's fan-out goes on."""
    publisher = bench.make(role)
    publisher.setsockopt(zmq.SNDHWM, 10)
    stuck = bench.keep(bench.context.socket(zmq.SUB))
    stuck.setsockopt(zmq.RCVHWM, 10)
    stuck.subscribe(b"")
    url = bind(publisher, "tcp://127.0.0.1:0")
    stuck.connect(url)
    eventually(lambda: publisher.send(b"first") is None and stuck.poll(0))
    refused = False
    try:
        for _ in range(2_000):
            publisher.send(bytes(64 * 1024), zmq.NOBLOCK)
    except zmq.Again:
        refused = True
    assert refused is refuses


def test_a_message_that_is_too_long_cuts_its_sender(bench: Bench) -> None:
    receiver = bench.make(Role.SUBSCRIBE)
    receiver.subscribe(b"")
    url = bind(receiver, "tcp://127.0.0.1:0")
    sender = bench.make(Role.PUBLISH)
    monitor = sender.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    sender.connect(url)
    eventually(lambda: receiver.poll(0) or sender.poll(0), why="a SUB subscribes when its owner polls it")
    sender.recv()
    sender.send(bytes(MAX_FRAME_BYTES))
    assert receiver.poll(5000)
    assert len(receiver.recv()) == MAX_FRAME_BYTES
    sender.send(bytes(MAX_FRAME_BYTES + 1))
    assert monitor.poll(5000), "cut"
    assert not receiver.poll(50)
    sender.disable_monitor()
    monitor.close(linger=0)


@pytest.mark.parametrize("role", Role)
def test_sockets_come_complete_but_neither_bound_nor_connected(role: Role, bench: Bench) -> None:
    """Options act only on later binds and connects."""
    assert not bench.make(role).getsockopt(zmq.LAST_ENDPOINT).strip(b"\0")  # type: ignore[union-attr]


def test_bind_says_the_real_port_and_refuses_a_taken_one(bench: Bench) -> None:
    first, second = bench.make(Role.BROKER_SUBSCRIBE), bench.make(Role.BROKER_SUBSCRIBE)
    url = bind(first, "tcp://127.0.0.1:0")
    assert not url.endswith((":0", ":*"))
    with pytest.raises(zmq.ZMQError) as refused:
        bind(second, url)
    assert refused.value.errno == zmq.EADDRINUSE


def test_ten_thousand_subscriptions_arrive(bench: Bench) -> None:
    publisher, subscriber = bench.make(Role.PUBLISH), bench.make(Role.SUBSCRIBE)
    for number in range(10_000):
        subscriber.subscribe(b"quote.S%d\0" % number)
    subscriber.connect(bind(publisher, "tcp://127.0.0.1:0"))
    seen: set[bytes] = set()

    def all_seen() -> bool:
        while publisher.poll(0):
            seen.add(publisher.recv())
        return len(seen) == 10_000

    eventually(all_seen)
