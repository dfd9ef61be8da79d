"""A first message waits for the broker's subscription, for the grace and no longer; a loss begins it anew."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quotebus.bus.protocol import GRACE_NS
from quotebus.bus.transport import patient_publisher as module
from quotebus.bus.transport.patient_publisher import PatientPublisher
from quotebus.bus.transport.zeromq.endpoints import Endpoints
from quotebus.bus.transport.zeromq.engine import ZmqEngine
from quotebus.bus.transport.zeromq.publisher import ZmqPublisher
from quotebus.bus.transport.zeromq.sockets import Role, bind, make
from tests.support.programs import eventually

FRAME = b"intent.a\0payload"


@pytest.fixture
def engine() -> Iterator[ZmqEngine]:
    engine = ZmqEngine(Endpoints((), (), ("tcp://127.0.0.1:1",), "nowhere"))
    yield engine
    engine.close(0)


def heard(requester: PatientPublisher, connected: bool) -> bool:
    requester.look()
    return requester.connected is connected


def test_a_first_message_waits_for_its_subscription_and_again_after_a_loss(
    engine: ZmqEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000 * GRACE_NS]
    monkeypatch.setattr(module, "now_ns", lambda: now[0])
    peer = make(engine.context, Role.BROKER_REQUEST)
    peer.subscribe(b"intent.")
    url = bind(peer, "tcp://127.0.0.1:0")
    requester = PatientPublisher(ZmqPublisher(engine.context, (url,)))
    assert not requester.may_send()
    eventually(lambda: peer.poll(0) or heard(requester, connected=True))  # a SUB subscribes when its owner looks
    assert requester.may_send(), "the broker listens: nothing to wait for"
    assert requester.send(FRAME)
    assert peer.poll(5_000)
    assert peer.recv() == FRAME
    now[0] += 10 * GRACE_NS
    peer.close(linger=0)
    eventually(lambda: heard(requester, connected=False))
    assert not requester.may_send(), "the grace begins with the loss"
    now[0] += GRACE_NS
    assert requester.may_send()
    requester.close()


def test_the_grace_ends_without_a_broker_and_can_be_skipped(engine: ZmqEngine) -> None:
    requester = PatientPublisher(engine.requester())
    requester.await_coverage(FRAME)
    eventually(requester.may_send)
    assert not requester.connected
    other = PatientPublisher(engine.requester())
    other.skip_grace()
    assert other.may_send()
    requester.close()
    other.close(0)
