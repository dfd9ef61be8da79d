"""One way to log for every program: standard logging on stderr, as text or as JSON, in UTC to the millisecond."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Iterable
from types import TracebackType

from quotebus.bus.process.printable import escaped

LEVELS = ("debug", "info", "warning", "error", "critical")
FORMATS = ("text", "json")
SHORTEST_SECRET = 12
"""A shorter word may be an ordinary one, and is not looked for in what is logged."""
HIDDEN = "**********"


class _Formatter(logging.Formatter):
    """What both formats share: the time, and secrets that never appear, not even in an exception's text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = tuple(secret for secret in secrets if len(secret) >= SHORTEST_SECRET)

    def clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def trace(self, record: logging.LogRecord) -> str:
        """The exception and the stack of a record, as Python prints them; empty when it has none."""
        parts = [self.formatException(record.exc_info)] if record.exc_info and record.exc_info[0] else []
        if record.stack_info:
            parts.append(self.formatStack(record.stack_info))
        return self.clean("\n".join(parts))


class TextFormatter(_Formatter):
    """`2026-01-05T14:30:00.123Z INFO quotebus.pricing.node: message`; a traceback follows, indented."""

    def format(self, record: logging.LogRecord) -> str:
        head = f"{utc_text(record.created)} {record.levelname} {record.name}: "
        trace = self.trace(record)
        lines = [head + escaped(self.clean(record.getMessage())), *trace.splitlines()]
        return "\n    ".join(lines)


class JsonFormatter(_Formatter):
    """One object a line: `time`, `level`, `logger`, `message` and, after an error, `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": utc_text(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.clean(record.getMessage()),
        }
        if trace := self.trace(record):
            fields["exception"] = trace
        return json.dumps(fields)


def utc_text(created_s: float) -> str:
    """A record's time: `2026-01-05T14:30:00.123Z`."""
    whole_s, milliseconds = divmod(int(created_s * 1000), 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole_s)) + f".{milliseconds:03d}Z"


def compact_utc(utc_ns: int) -> str:
    """An instant as it stands in file names, to the second: `20260105T143000Z`."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(utc_ns // 1_000_000_000))


def setup(level: str = "info", form: str = "text", secrets: Iterable[str] = ()) -> None:
    """Configure the root logger of a program's process, for its warnings and its uncaught exceptions too.

    `level` is one of LEVELS, `form` one of FORMATS. `secrets` are replaced wherever they would appear.
    """
    handler = logging.StreamHandler()
    handler.setFormatter((JsonFormatter if form == "json" else TextFormatter)(secrets))
    logging.basicConfig(level=getattr(logging, level.upper()), handlers=[handler], force=True)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("quotebus").critical("uncaught %s", kind.__name__, exc_info=(kind, error, trace))


def _log_uncaught_in_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is None or issubclass(ended.exc_type, SystemExit):
        return
    name = ended.thread.name if ended.thread is not None else "?"
    trace = (ended.exc_type, ended.exc_value, ended.exc_traceback)
    logging.getLogger("quotebus").critical("thread %s ended by %s", name, ended.exc_type.__name__, exc_info=trace)
