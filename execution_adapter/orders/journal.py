"""One intent's journal: an append-only file, locked while the intent is worked, on disk before an order is sent.

A line is a JSON object with one key, see `journal_entries`, and ` #` with a checksum over it and all lines before it: a
changed digit would otherwise be a count of fills. The last line may have been cut off by a crash; anything else that
cannot be read, was changed, is missing or has no checksum behind one that has, is an error. The journal of an intent
that has ended is moved to `ended/`.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from contextlib import suppress
from pathlib import Path

from quotebus.bus.errors import ConfigError
from quotebus.bus.process.locked_file import LockedFile
from quotebus.execution_adapter.orders.disk_room import reserve_room
from quotebus.execution_adapter.orders.journal_entries import Entry, JournalDamaged

ENDED = "ended"
"""The folder, within the journals', of the journals of intents that have ended."""
_CHECKED = re.compile(rb"(.*) #([0-9a-f]{8})", re.DOTALL)
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

    _checksum: int | None = None
    """Over what is in the file; None before `entries` has read it."""

    def acquire(self) -> bool:
        """Take the lock, without waiting, on the file that is there under this name now. Raises OSError."""
        while super().acquire():
            if self._is_in_place():
                return True
            self.close()  # its intent has ended meanwhile, and it was moved
            self._checksum = None
            super().__init__(self.path)
        return False

    def append(self, *added: Entry) -> None:
        """Write entries, and return only when they are on disk. Raises OSError, and then nothing may be sent.

        Raises JournalDamaged where what is there already was not read before and cannot be.

        What could be written of them is taken back, so that a later entry never stands behind half of one.
        """
        size = os.fstat(self.file).st_size
        if self._checksum is None:
            self.entries()
        data, checksum = b"", self._checksum or 0
        for entry in added:
            line, checksum = format_line(entry, checksum)
            data += line
        try:
            while data:
                data = data[os.write(self.file, data) :]
            os.fsync(self.file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self.file, size)
            raise
        self._checksum = checksum

    def reserve(self) -> None:
        """Set room for the next entries aside. Raises OSError when the disk has none."""
        reserve_room(self.file, os.fstat(self.file).st_size, ROOM_BYTES)

    def entries(self) -> list[Entry]:
        """Every entry so far; an incomplete last line is cut off. Raises JournalDamaged, OSError."""
        raw = os.pread(self.file, os.fstat(self.file).st_size, 0)
        whole, _, torn = raw.rpartition(b"\n")
        if torn:
            os.ftruncate(self.file, len(whole) + (1 if b"\n" in raw else 0))
        found, self._checksum = read_lines(whole, self.path.name)
        return found

    def retire(self) -> None:
        """Move it to those that have ended; it stays locked until it is closed. Raises OSError."""
        ended = self.path.parent / ENDED
        ended.mkdir(mode=0o700, exist_ok=True)
        os.rename(self.path, ended / self.path.name)
        _sync_folder(ended)
        _sync_folder(self.path.parent)

    def drop_empty(self) -> None:
        """Remove the file, which must be locked, if it has no entry: it was made in place of one that is elsewhere."""
        with suppress(OSError):
            if not os.fstat(self.file).st_size:
                self.path.unlink()

    def _is_in_place(self) -> bool:
        try:
            there = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self.file))


def format_line(entry: Entry, checksum: int) -> tuple[bytes, int]:
    """An entry's line, given the checksum over the lines before it; and the checksum over them all."""
    text = json.dumps(entry).encode()
    checksum = zlib.crc32(text, checksum)
    return b"%s #%08x\n" % (text, checksum), checksum


def parse_lines(raw: bytes, name: str) -> list[Entry]:
    """The entries of whole lines. Raises JournalDamaged."""
    return read_lines(raw, name)[0]


def read_lines(raw: bytes, name: str) -> tuple[list[Entry], int]:
    """The entries of whole lines, and the checksum over them. Raises JournalDamaged.

    Lines from before there were checksums have none; behind one that has, all have.
    """
    found: list[Entry] = []
    checksum, checked = 0, False
    for number, line in enumerate(raw.splitlines(), start=1):
        parts = _CHECKED.fullmatch(line)
        text = parts[1] if parts else line
        checksum = zlib.crc32(text, checksum)
        if (parts is None and checked) or (parts and int(parts[2], 16) != checksum):
            raise JournalDamaged(f"{name}, line {number}: its checksum is wrong")
        checked = parts is not None
        try:
            entry = json.loads(text)
        except (ValueError, RecursionError):
            raise JournalDamaged(f"{name}, line {number}: not JSON") from None
        if not isinstance(entry, dict) or len(entry) != 1:
            raise JournalDamaged(f"{name}, line {number}: not an entry")
        found.append(entry)
    return found, checksum


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
