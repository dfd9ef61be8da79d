"""Event lines for people."""

from __future__ import annotations

import io

from quotebus.pricing.simulator.event_log import MOST_LINES_PER_S, NS_PER_S, EventLog


def test_lines_are_bounded_per_second_and_the_rest_counted() -> None:
    stream = io.StringIO()
    log = EventLog(stream)
    for _ in range(MOST_LINES_PER_S + 5):
        log.line("x", NS_PER_S)
    log.line("y", 2 * NS_PER_S)
    lines = stream.getvalue().splitlines()
    assert len(lines) == MOST_LINES_PER_S + 1
    assert lines[-1] == "exchange-simulator: y (5 earlier lines left out)"


def test_silence_and_a_stream_that_is_gone() -> None:
    EventLog(None).line("x", 0)

    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    log = EventLog(Gone())
    log.line("x", 0)
    log.line("y", 0)
