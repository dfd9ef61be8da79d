"""`quotebus broker` as a program."""

from __future__ import annotations

import signal

import pytest

from quotebus.bus.clock import now_ns
from tests.support.programs import Program, run
from tests.support.stopwatch import Stopwatch
from tests.support.world import LOOPBACK


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_says_its_endpoints_and_ends_in_order(number: signal.Signals, stopwatch: Stopwatch) -> None:
    broker = Program("quotebus", "broker", environment=LOOPBACK)
    words = broker.line("quotebus broker: publish").split()
    urls = {kind: words[words.index(kind) + 1] for kind in ("publish", "subscribe", "request")}
    assert len(set(urls.values())) == 3
    assert not any(url.endswith(":0") for url in urls.values())
    began_ns = now_ns()
    broker.process.send_signal(number)
    assert broker.wait(60) == 0
    assert stopwatch.seconds(began_ns) < 2
    broker.stop()
    assert len(broker.lines) == 1


def test_a_second_one_exits_78_with_one_line() -> None:
    first = Program("quotebus", "broker", environment=LOOPBACK)
    try:
        words = first.line("quotebus broker: publish").split()
        taken = {**LOOPBACK, "BUS_SUBSCRIBE_URL": words[words.index("subscribe") + 1]}
        taken |= dict.fromkeys(("BUS_PUBLISH_URL", "BUS_REQUEST_URL"), "tcp://127.0.0.1:0")
        status, printed = run("quotebus", "broker", environment=taken)
        assert status == 78
        assert printed.count("\n") == 1
        assert "already running" in printed
    finally:
        first.stop()


def test_a_bad_endpoint_exits_78_with_one_line() -> None:
    status, printed = run("quotebus", "broker", "--bus-publish-url", "tcp://0.0.0.0:5570")
    assert status == 78
    assert printed.count("\n") == 1
    assert "--bus-publish-url: refused: not a loopback address" in printed
