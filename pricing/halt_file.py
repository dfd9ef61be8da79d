"""The file of known halts beside the account's lock: some halts last for years, and no feed tells of them again.

It is written in whole, in a thread of its own that lives only while there is something to write, to a new file that
replaces the old one. A file that cannot be read or written is told, and never ends the node.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from quotebus.bus.codec import DECODE_ERRORS
from quotebus.bus.events import Cause, HaltKind
from quotebus.pricing.halts import MAX_HALTS, Halts, KnownHalt

log = logging.getLogger(__name__)
MAX_BYTES = 8 << 20


class _Row(msgspec.Struct, array_like=True):
    symbol: str
    exchange_ns: int
    cause: Cause
    kind: HaltKind


class _Content(msgspec.Struct):
    version: int
    halts: list[_Row]


class HaltFile:
    """Reads and writes one file. `failures` counts reads and writes that failed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failures = 0
        self._changes = 0
        self._waiting: Sequence[KnownHalt] | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def read(self) -> list[KnownHalt]:
        """The halts in the file; none when it is not there, or cannot be read, which is told."""
        try:
            with self.path.open("rb") as file:
                content = msgspec.json.decode(file.read(MAX_BYTES), type=_Content)
        except FileNotFoundError:
            return []
        except OSError as error:
            self._tell(f"cannot be read ({error.strerror})")
            return []
        except DECODE_ERRORS:
            self._tell("is damaged")
            return []
        rows = content.halts[:MAX_HALTS]
        return [KnownHalt(row.symbol, row.exchange_ns, row.cause, row.kind) for row in rows]

    def follow(self, halts: Halts, *, keeps: bool) -> None:
        """Write the known halts when they have changed since the last call. `keeps`: this node may write the file."""
        if keeps and halts.changes != self._changes:
            self._changes = halts.changes
            self.write(halts.list_known())

    def write(self, halts: Sequence[KnownHalt]) -> None:
        """Replace what is in the file, soon; of several calls the last one counts."""
        with self._lock:
            self._waiting = halts
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="halt-file", daemon=True)
                self._thread.start()

    def close(self, within_s: float) -> None:
        """Wait for what is being written."""
        thread = self._thread
        if thread is not None:
            thread.join(within_s)

    def _run(self) -> None:
        while True:
            with self._lock:
                halts, self._waiting = self._waiting, None
                if halts is None:
                    self._thread = None
                    return
            try:
                self._replace(halts)
            except OSError as error:
                self._tell(f"cannot be written ({error.strerror}): halts known now would not survive the node")

    def _replace(self, halts: Sequence[KnownHalt]) -> None:
        rows = [_Row(halt.symbol, halt.exchange_ns, halt.cause, halt.kind) for halt in halts]
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            with new.open("wb") as file:
                file.write(msgspec.json.encode(_Content(1, rows)))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink()
            raise

    def _tell(self, what: str) -> None:
        self.failures += 1
        log.warning("the file of known halts %s %s", self.path, what)
