"""Event lines for people on stderr: short, and never more than a terminal can bear."""

from __future__ import annotations

from typing import TextIO

NS_PER_S = 1_000_000_000
MOST_LINES_PER_S = 20


class EventLog:
    """Prints event lines; above twenty a second they are counted, and the next line says how many."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._second = 0
        self._lines = 0
        self._suppressed = 0

    def line(self, text: str, now_ns: int) -> None:
        """Print one event."""
        if self._stream is None:
            return
        if now_ns // NS_PER_S != self._second:
            self._second, self._lines = now_ns // NS_PER_S, 0
        self._lines += 1
        if self._lines > MOST_LINES_PER_S:
            self._suppressed += 1
            return
        more = f" ({self._suppressed} earlier lines left out)" if self._suppressed else ""
        self._suppressed = 0
        try:
            print(f"exchange-simulator: {text}{more}", file=self._stream, flush=True)
        except OSError:
            self._stream = None
