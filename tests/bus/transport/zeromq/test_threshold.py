"""How much must have come before a connection's reader is woken: on a real ZeroMQ connection."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest
import zmq

from quotebus.bus.transport.zeromq.threshold import EVENTS, WakeThreshold
from tests.support.programs import eventually


class Line:
    """A subscriber whose publisher is the test; its threshold hears the monitor."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self.publisher, self.subscriber = context.socket(zmq.PUB), context.socket(zmq.SUB)
        self.monitor = self.subscriber.get_monitor_socket(EVENTS)
        self.threshold = WakeThreshold()
        self.heard: list[int] = []
        self.subscriber.subscribe(b"")

    def hear(self) -> list[int]:
        while self.monitor.poll(10):
            event, value = struct.unpack("=HI", self.monitor.recv_multipart()[0])
            self.heard.append(event)
            self.threshold.on_event(event, value)
        return self.heard

    def comes(self, frame: bytes, within_ms: int) -> bool:
        """Whether a frame sent now, to a subscriber that may not be known yet, is there in time."""
        self.publisher.send(frame)
        return bool(self.subscriber.poll(within_ms)) and self.subscriber.recv() is not None


@pytest.fixture
def line() -> Iterator[Line]:
    with zmq.Context() as context:
        line = Line(context)
        try:
            yield line
        finally:
            line.threshold.close()
            line.subscriber.disable_monitor()
            line.monitor.close(linger=0)
            line.publisher.close(linger=0)
            line.subscriber.close(linger=0)


def test_nothing_little_comes_while_it_is_high_and_all_of_it_when_it_is_low_again(line: Line) -> None:
    port = line.publisher.bind_to_random_port("tcp://127.0.0.1")
    line.subscriber.connect(f"tcp://127.0.0.1:{port}")
    eventually(lambda: line.comes(b"first", 50))
    eventually(lambda: zmq.EVENT_HANDSHAKE_SUCCEEDED in line.hear())
    line.threshold.high()
    assert not line.comes(b"held", 100)
    line.publisher.send(b"too")
    eventually(lambda: line.threshold.unread() >= len(b"heldtoo"))
    line.threshold.low()
    eventually(lambda: line.subscriber.poll(50))
    assert [line.subscriber.recv(), line.subscriber.recv()] == [b"held", b"too"]
    assert line.threshold.unread() == 0


def test_a_lost_line_and_one_of_another_kind_are_left_alone(line: Line) -> None:
    threshold = WakeThreshold()
    threshold.high()
    threshold.on_event(zmq.EVENT_HANDSHAKE_SUCCEEDED, 0)
    threshold.low()
    with socket.socket() as gone:
        descriptor = gone.fileno()
    threshold.on_event(zmq.EVENT_CONNECTED, descriptor)
    threshold.on_event(zmq.EVENT_HANDSHAKE_SUCCEEDED, 0)
    threshold.high()
    threshold.on_event(zmq.EVENT_DISCONNECTED, descriptor)
    threshold.low()
    threshold.close()
    line.publisher.bind("ipc://@quotebus-threshold-test")
    line.subscriber.connect("ipc://@quotebus-threshold-test")
    eventually(lambda: line.comes(b"first", 50))
    eventually(lambda: zmq.EVENT_HANDSHAKE_SUCCEEDED in line.hear())
    line.threshold.high()
    eventually(lambda: line.comes(b"second", 50))
