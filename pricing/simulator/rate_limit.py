"""A limit on event lines, so that a busy simulator logs no more than a terminal can bear."""

from __future__ import annotations

import logging

MOST_LINES_PER_S = 20


class RateLimit(logging.Filter):
    """Drops records above twenty a second; the next one that passes says how many were left out.

    Warnings and errors always pass. Attach it to a handler: a logger's filter does not see its children's records.
    """

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this record is logged."""
        if record.levelno >= logging.WARNING:
            return True
        if int(record.created) != self._second:
            self._second, self._lines = int(record.created), 0
        self._lines += 1
        if self._lines > MOST_LINES_PER_S:
            self._left_out += 1
            return False
        if self._left_out:
            record.msg = f"{record.getMessage()} ({self._left_out} earlier lines left out)"
            record.args = ()
            self._left_out = 0
        return True


def limit_rate() -> None:
    """Put one limit on each handler of the root logger."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(RateLimit())
