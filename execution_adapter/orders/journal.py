"""One intent's journal: an append-only file, locked while the intent is worked, on disk before an order is sent.

A line is a JSON object with one key, see `journal_entries`. The last line may have been cut off by a crash;
anything else that cannot be read is an error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path

from quotebus.bus.errors import ConfigError
from quotebus.bus.process.locked_file import LockedFile
from quotebus.execution_adapter.orders.journal_entries import (
    Entry,
    JournalDamaged,
    JournalHead,
    read_head,
    read_outcome,
)


class Journal(LockedFile):
    """`folder/<intent_id>.jsonl`, locked by the one worker on the intent. Raises ConfigError if it cannot be opened."""

    def __init__(self, folder: Path, intent_id: str) -> None:
        path = folder / f"{intent_id}.jsonl"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            super().__init__(path)
            folder_handle = os.open(folder, os.O_RDONLY)
            os.fsync(folder_handle)
            os.close(folder_handle)
        except OSError as error:
            raise ConfigError(f"EXECUTION_JOURNAL_DIR: cannot open {path}: {error.strerror}") from None

    def append(self, *added: Entry) -> None:
        """Write entries, and return only when they are on disk. Raises OSError, and then nothing may be sent."""
        data = b"".join(json.dumps(entry).encode() + b"\n" for entry in added)
        while data:
            data = data[os.write(self.file, data) :]
        os.fsync(self.file)

    def entries(self) -> list[Entry]:
        """Every entry so far; an incomplete last line is cut off. Raises JournalDamaged."""
        raw = self.path.read_bytes()
        whole, _, torn = raw.rpartition(b"\n")
        if torn:
            os.ftruncate(self.file, len(whole) + (1 if b"\n" in raw else 0))
        return _lines(whole, self.path.name)


def find_unfinished(folder: Path, account: str, clients: Collection[str]) -> dict[str, JournalHead]:
    """Unfinished intents of these clients on this account, by intent id. Journals that cannot be read are left out.

    Nothing is locked or changed: the worker that resumes one reads it again under its lock.
    """
    found: dict[str, JournalHead] = {}
    for path in sorted(folder.glob("qb-*.jsonl")):
        try:
            lines = _lines(path.read_bytes().rpartition(b"\n")[0], path.name)
            head = read_head(lines)
        except (OSError, JournalDamaged):
            continue
        if head is None or head.account != account or head.intent_key[0] not in clients or read_outcome(lines):
            continue
        found[path.stem] = head
    return found


def _lines(raw: bytes, name: str) -> list[Entry]:
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
