"""A consumer is never left further behind than its window, and one that is gone holds nobody up."""

from __future__ import annotations

from quotebus.bus.capture.replay.flow_control import PATIENCE_NS, WINDOW, FlowControl
from tests.support.samples import REQUESTED, like

ASKED = like(REQUESTED, source="replay:w", client="w", symbols=("SPY",), request_id="1")
QUOTE = b"quote.SPY\0x"


def audience() -> FlowControl:
    audience = FlowControl()
    audience.on_request(ASKED)
    audience.on_answered("w")
    return audience


def send(audience: FlowControl, count: int, frame: bytes = QUOTE) -> None:
    for _ in range(count):
        audience.on_sent(frame)


def test_waits_at_the_end_of_the_window_until_the_answer_in_between_was_read() -> None:
    it = audience()
    send(it, WINDOW - 1)
    assert not it.must_wait(0)
    send(it, 1)
    assert it.must_wait(0)
    it.on_request(ASKED)
    assert it.must_wait(0), "a repeated request proves nothing"
    it.on_request(like(ASKED, request_id="2"))
    it.on_answered("w")
    assert it.must_wait(0), "it had read what came before the first answer, which was nothing"
    it.on_request(like(ASKED, request_id="3"))
    assert not it.must_wait(0)


def test_counts_only_what_a_consumer_hears() -> None:
    it = audience()
    for frame in (b"quote.QQQ\0", b"trade.SPY\0", b"counters.x\0", b"quote.SPYX\0"):
        send(it, WINDOW, frame)
    assert not it.must_wait(0)
    send(it, WINDOW // 2, b"health.pricing\0")
    send(it, WINDOW // 2, b"symbol.SPY\0")
    assert it.must_wait(0)


def test_who_is_gone_is_let_go_and_counted() -> None:
    it = audience()
    send(it, WINDOW)
    assert it.must_wait(0)
    assert it.must_wait(PATIENCE_NS)
    assert not it.must_wait(PATIENCE_NS + 1)
    assert it.lost == 1


def test_live_clients_and_released_ones_are_no_listeners() -> None:
    it = audience()
    it.on_request(like(ASKED, symbols=(), request_id="2"))
    it.on_request(like(ASKED, source="worker-1", client="live"))
    assert not it.windows
