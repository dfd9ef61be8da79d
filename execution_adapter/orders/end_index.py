"""How intents ended whose journals were removed by age: a line for each, so that none is ever begun a second time.

    <id> [<first entry>, <last entry>]

A line is looked for where it is needed, by its id; nothing of the file is kept in memory.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterable
from pathlib import Path

from quotebus.execution_adapter.orders.journal_entries import Entry, JournalDamaged

NAME = "removed.index"


def add_ends(folder: Path, ends: Iterable[tuple[str, list[Entry]]]) -> None:
    """Write how intents ended, by id and the entries of their journals; on disk when it returns. Raises OSError."""
    lines = b"".join(b"%s %s\n" % (name.encode(), json.dumps([rows[0], rows[-1]]).encode()) for name, rows in ends)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(folder / NAME, flags, 0o600)
    try:
        data = b"\n" + lines  # whatever a full disk has left half a line of
        while data:
            data = data[os.write(file, data) :]
        os.fsync(file)
    finally:
        os.close(file)


def find_ended(folder: Path, intent_id: str) -> list[Entry]:
    """First and last entry of the journal that an intent had; none when nothing is known. Raises JournalDamaged."""
    try:
        file = os.open(folder / NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise JournalDamaged(f"{NAME}: {error.strerror}") from None
    try:
        line = _find_line(file, f"\n{intent_id} ".encode())
    except OSError as error:
        raise JournalDamaged(f"{NAME}: {error.strerror}") from None
    finally:
        os.close(file)
    if not line:
        return []
    try:
        first, last = json.loads(line)
    except (ValueError, TypeError):
        raise JournalDamaged(f"{NAME}: the line of {intent_id} cannot be read") from None
    if not isinstance(first, dict) or not isinstance(last, dict):
        raise JournalDamaged(f"{NAME}: the line of {intent_id} is not of entries")
    return [first, last]


def _find_line(file: int, start: bytes) -> bytes:
    if not os.fstat(file).st_size:
        return b""
    with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as text:
        at = text.rfind(start)  # the newest, if a crash has left half of an older one
        end = text.find(b"\n", at + 1)
        return b"" if at < 0 else text[at + len(start) : end if end >= 0 else len(text)]
