"""Event lines for people: how many a second, and what becomes of the rest."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator

import pytest

from quotebus.pricing.simulator.rate_limit import MOST_LINES_PER_S, RateLimit, limit_rate


def record(text: str, at_s: float, level: int = logging.INFO) -> logging.LogRecord:
    made = logging.LogRecord("simulator", level, __file__, 1, text, ("%d",), None)
    made.created = at_s
    return made


@pytest.fixture
def handle() -> Iterator[Callable[[io.StringIO], logging.StreamHandler[io.StringIO]]]:
    """A root handler on a stream, with the limit; it is taken away with the test."""
    made: list[logging.Handler] = []

    def open_handler(stream: io.StringIO) -> logging.StreamHandler[io.StringIO]:
        handler = logging.StreamHandler(stream)
        logging.getLogger().addHandler(handler)
        made.append(handler)
        limit_rate()
        return handler

    yield open_handler
    for handler in made:
        logging.getLogger().removeHandler(handler)
    for handler in logging.getLogger().handlers:
        for limit in [f for f in handler.filters if isinstance(f, RateLimit)]:
            handler.removeFilter(limit)


def test_lines_are_bounded_per_second_and_the_rest_counted(
    handle: Callable[[io.StringIO], logging.StreamHandler[io.StringIO]],
) -> None:
    stream = io.StringIO()
    handler = handle(stream)
    for _ in range(MOST_LINES_PER_S + 5):
        handler.handle(record("x %s", 1.5))
    handler.handle(record("y %s", 2.0))
    handler.handle(record("z %s", 2.1))
    lines = stream.getvalue().splitlines()
    assert len(lines) == MOST_LINES_PER_S + 2
    assert lines[0] == "x %d"
    assert lines[-2:] == ["y %d (5 earlier lines left out)", "z %d"]


def test_warnings_pass(handle: Callable[[io.StringIO], logging.StreamHandler[io.StringIO]]) -> None:
    stream = io.StringIO()
    handler = handle(stream)
    for _ in range(MOST_LINES_PER_S + 5):
        handler.handle(record("x %s", 1.5, logging.WARNING))
    assert len(stream.getvalue().splitlines()) == MOST_LINES_PER_S + 5


def test_a_stream_that_is_gone(
    handle: Callable[[io.StringIO], logging.StreamHandler[io.StringIO]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Gone())
    handler = handle(Gone())
    handler.handle(record("x %s", 1.0))
    handler.handle(record("y %s", 1.0))
