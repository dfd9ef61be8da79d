"""One intent's journal: an append-only file, locked while the intent is worked, on disk before an order is sent.

A line is a JSON object with one key, see `journal_entries`. The last line may have been cut off by a crash;
anything else that cannot be read is an error. The journal of an intent that has ended is moved to `ended/`.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from quotebus.bus.errors import ConfigError
from quotebus.bus.process.locked_file import LockedFile
from quotebus.execution_adapter.orders.disk_room import reserve_room
from quotebus.execution_adapter.orders.journal_entries import Entry, JournalDamaged

ENDED = "ended"
"""The folder, within the journals', of the journals of intents that have ended."""
ROOM_BYTES = 4_096
"""Set aside before an order is placed: for its own entry, its end and the intent's, which take less than 1,000."""


class Journal(LockedFile):
    """`folder/<intent_id>.jsonl`, locked by the one worker on the intent. Raises ConfigError if it cannot be opened."""

    def __init__(self, folder: Path, intent_id: str) -> None:
        path = folder / f"{intent_id}.jsonl"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            super().__init__(path)
            _sync_folder(folder)
        except OSError as error:
            raise ConfigError(f"EXECUTION_JOURNAL_DIR: cannot open {path}: {error.strerror}") from None

    def acquire(self) -> bool:
        """Take the lock, without waiting, on the file that is there under this name now. Raises OSError."""
        while super().acquire():
            if self._is_in_place():
                return True
            self.close()  # its intent has ended meanwhile, and it was moved
            super().__init__(self.path)
        return False

    def append(self, *added: Entry) -> None:
        """Write entries, and return only when they are on disk. Raises OSError, and then nothing may be sent.

        What could be written of them is taken back, so that a later entry never stands behind half of one.
        """
        data = b"".join(json.dumps(entry).encode() + b"\n" for entry in added)
        size = os.fstat(self.file).st_size
        try:
            while data:
                data = data[os.write(self.file, data) :]
            os.fsync(self.file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self.file, size)
            raise

    def reserve(self) -> None:
        """Set room for the next entries aside. Raises OSError when the disk has none."""
        reserve_room(self.file, os.fstat(self.file).st_size, ROOM_BYTES)

    def entries(self) -> list[Entry]:
        """Every entry so far; an incomplete last line is cut off. Raises JournalDamaged, OSError."""
        raw = os.pread(self.file, os.fstat(self.file).st_size, 0)
        whole, _, torn = raw.rpartition(b"\n")
        if torn:
            os.ftruncate(self.file, len(whole) + (1 if b"\n" in raw else 0))
        return parse_lines(whole, self.path.name)

    def retire(self) -> None:
        """Move it to those that have ended; it stays locked until it is closed. Raises OSError."""
        ended = self.path.parent / ENDED
        ended.mkdir(mode=0o700, exist_ok=True)
        os.rename(self.path, ended / self.path.name)
        _sync_folder(ended)
        _sync_folder(self.path.parent)

    def drop_empty(self) -> None:
        """Remove the file, which must be locked and without an entry: it was made in place of one that is elsewhere."""
        with suppress(OSError):
            self.path.unlink()

    def _is_in_place(self) -> bool:
        try:
            there = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self.file))


def parse_lines(raw: bytes, name: str) -> list[Entry]:
    """The entries of whole lines. Raises JournalDamaged."""
    found: list[Entry] = []
    for number, line in enumerate(raw.splitlines(), start=1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            raise JournalDamaged(f"{name}, line {number}: not JSON") from None
        if not isinstance(entry, dict) or len(entry) != 1:
            raise JournalDamaged(f"{name}, line {number}: not an entry")
        found.append(entry)
    return found


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
