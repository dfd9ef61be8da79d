"""A plain subscriber: hears by prefix, and what it says arrives."""

from __future__ import annotations

from quotebus.bus.events import RecorderHealth
from quotebus.bus.transport.recorder_sockets import RecorderSockets
from tests.support.bus import fake_node, running_broker
from tests.support.eventlog import EventLog
from tests.support.programs import eventually
from tests.support.samples import RECORDER


def test_it_hears_prefixes_and_stops_at_the_limit() -> None:
    with (
        running_broker() as settings,
        fake_node(settings) as node,
        RecorderSockets(settings, "listener-000001", ["quote.SP"]) as listener,
    ):
        batches: list[list[bytes]] = []

        def listen() -> bool:
            node.tick("SPY", 3)
            node.tick("QQQ")
            batches.append(listener.receive(2, 50))
            return sum(map(len, batches)) >= 10

        eventually(listen)
        assert {frame.partition(b"\0")[0] for batch in batches for frame in batch} == {b"quote.SPY"}
        assert max(map(len, batches)) == 2


def test_what_it_says_waits_for_the_broker_and_arrives() -> None:
    with running_broker() as settings:
        log = EventLog(settings.bus_subscribe_url, b"recorder.")
        with RecorderSockets(settings, "recorder-000001") as listener:
            listener.publish(RECORDER)
            eventually(listener.send)
            eventually(lambda: log.all(RecorderHealth))
            (heard,) = log.all(RecorderHealth)
            assert (heard.source, heard.seq, heard.name) == ("recorder-000001", 1, RECORDER.name)
        log.close()


def test_without_a_broker_nothing_waits_and_nothing_grows() -> None:
    with running_broker() as settings:
        pass
    with RecorderSockets(settings, "recorder-000001") as listener:
        for _ in range(250):
            listener.publish(RECORDER)
        eventually(listener.send)
        assert listener.dropped >= 150
        assert listener.receive(10, 1) == []
