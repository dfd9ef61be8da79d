"""The folder of journals: which intents have not ended, how one ended, and the old ones that may go.

    <folder>/<intent_id>.jsonl          of an intent that has not ended, or whose order's fate is unknown
    <folder>/ended/<intent_id>.jsonl    of one that has
    <folder>/ended/removed.index        a line for each that was removed by age

Reading is quick where there are many: a journal that has ended is known by its last line.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from quotebus.execution_adapter.orders.end_index import add_ends, find_ended
from quotebus.execution_adapter.orders.journal import ENDED, parse_lines
from quotebus.execution_adapter.orders.journal_entries import (
    Entry,
    JournalDamaged,
    JournalEnd,
    JournalHead,
    read_children,
    read_end,
    read_head,
)

NS_PER_DAY = 24 * 3600 * 1_000_000_000
_log = logging.getLogger(__name__)
_BATCH = 200
"""Journals removed at once: their lines are put on disk together."""
_MOST_BYTES = 1 << 24
_ACCOUNT = re.compile(rb'"account": "([ -~]*?)"')
_ORDER_IDS = re.compile(rb'"id": "(qb-[A-Za-z0-9_-]{1,60})"')


@dataclass
class JournalsFound:
    """What a look through the folder found, by intent id. `damaged`: what is wrong with those that do not even say what
    they are of."""

    unfinished: dict[str, JournalHead] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    """Ended, and still beside those that have not: `sweep_journals` moves them."""


def find_journals(folder: Path, account: str) -> JournalsFound:
    """Look through the folder for the journals of an account. Nothing is locked or changed.

    The worker that resumes one reads it again under its lock.
    """
    found = JournalsFound()
    with suppress(FileNotFoundError, NotADirectoryError):
        for name in sorted(name for name in os.listdir(folder) if name.startswith("qb-") and name.endswith(".jsonl")):
            _sort_in(found, account, f"{folder}/{name}", name.removesuffix(".jsonl"))
    return found


def _sort_in(found: JournalsFound, account: str, path: str, intent_id: str) -> None:
    raw = b""
    try:
        raw = _read(path)
        end = raw.rfind(b"\n")
        if raw.startswith(b'{"done": ', raw.rfind(b"\n", 0, max(0, end)) + 1):
            found.ended.append(intent_id)
            return
        head = read_head(parse_lines(raw[: min(raw.find(b"\n"), end) + 1], intent_id))
    except (OSError, JournalDamaged) as error:
        owner = _ACCOUNT.search(raw)
        if owner is None or owner[1].decode() == account:
            found.damaged[intent_id] = (error.strerror or "unreadable") if isinstance(error, OSError) else str(error)
        return
    if head is not None and head.account == account:
        found.unfinished[intent_id] = head


def find_end(folder: Path, intent_id: str) -> JournalEnd | None:
    """How an intent ended whose journal was moved; None when there is no such journal. Raises JournalDamaged."""
    path = folder / ENDED / f"{intent_id}.jsonl"
    try:
        end = read_end(parse_lines(_read(path).rpartition(b"\n")[0], path.name))
        if end is None:
            raise JournalDamaged(f"{path.name}: it has no end")
        return end
    except (FileNotFoundError, NotADirectoryError):
        return read_end(find_ended(folder / ENDED, intent_id))
    except OSError as error:
        raise JournalDamaged(f"{path.name}: {error.strerror}") from None


def read_journal(folder: Path, intent_id: str) -> list[Entry]:
    """The entries of an intent's journal, ended or not, without its lock; none when there is none.

    Of one that was removed by age the first and the last.

    Raises JournalDamaged.
    """
    for path in (folder / ENDED / f"{intent_id}.jsonl", folder / f"{intent_id}.jsonl"):
        with suppress(OSError):
            return parse_lines(_read(path).rpartition(b"\n")[0], path.name)
    return find_ended(folder / ENDED, intent_id)


def find_last_orders(folder: Path, intent_id: str) -> list[str]:
    """The order that may be open, of an intent that somebody else works or whose journal is damaged, by what is there.

    Where none is known to be open it is the next one that the intent would have.
    """
    raw = b""
    with suppress(OSError):
        raw = _read(folder / f"{intent_id}.jsonl")
    try:
        children = read_children(parse_lines(raw.rpartition(b"\n")[0], intent_id))
    except JournalDamaged:
        named = [found[1].decode() for found in _ORDER_IDS.finditer(raw)]
        return [max(named, key=_number)] if named else [f"{intent_id}-1"]
    unproven = [child.order.client_order_id for child in children if not child.proven]
    return unproven or [f"{intent_id}-{len(children) + 1}"]


def find_paths(folder: Path, intent_id: str) -> tuple[Path, Path]:
    """Where a journal is, and where it goes when its intent has ended."""
    return folder / f"{intent_id}.jsonl", folder / ENDED / f"{intent_id}.jsonl"


def set_aside(folder: Path, intent_id: str) -> None:
    """Move what is there in place of a journal to those that have ended: no start looks at it again, a person may.

    Whatever it is, nothing is ever ordered for an intent with such a file. Raises OSError.
    """
    there, ended = find_paths(folder, intent_id)
    if os.path.lexists(ended) or not os.path.lexists(there):
        return
    ended.parent.mkdir(mode=0o700, exist_ok=True)
    os.rename(there, ended)
    _log.warning("%s cannot be read and was moved to %s; the broker has said how its orders ended", there, ended)


def sweep_journals(folder: Path, ended: list[str], utc_ns: int, keep_days: float) -> Iterator[None]:
    """Move these journals to those that have ended, and remove those that ended more than `keep_days` days ago, if any.

    Of each that is removed a line is kept, see `end_index`; what cannot be read is kept whole, for a person. Does a
    little each time it is asked for the next value. At the end it says how many were removed. Raises OSError.
    """
    if ended:
        (folder / ENDED).mkdir(mode=0o700, exist_ok=True)
    for intent_id in ended:
        with suppress(FileNotFoundError):
            os.rename(folder / f"{intent_id}.jsonl", folder / ENDED / f"{intent_id}.jsonl")
        yield
    if not keep_days:
        return
    removed, batch = 0, dict[str, list[Entry]]()
    for intent_id in _find_old(folder, utc_ns - int(keep_days * NS_PER_DAY)):
        if intent_id:
            with suppress(JournalDamaged):
                entries = read_journal(folder, intent_id)
                batch |= {intent_id: entries} if read_end(entries) is not None else {}
        if len(batch) == _BATCH:
            removed += _remove(folder, batch)
        yield
    if removed := removed + _remove(folder, batch):
        _log.info("%d journals of intents that ended more than %g days ago were removed", removed, keep_days)


def _find_old(folder: Path, oldest_ns: int) -> Iterator[str]:
    """The intents whose journals were written last before then, and an empty text for each other file."""
    try:
        there = os.scandir(folder / ENDED)
    except FileNotFoundError:
        return
    with there:
        for entry in there:
            is_old = False
            with suppress(FileNotFoundError):
                is_file = entry.name.endswith(".jsonl") and entry.is_file(follow_symlinks=False)
                is_old = is_file and entry.stat(follow_symlinks=False).st_mtime_ns < oldest_ns
            yield entry.name.removesuffix(".jsonl") if is_old else ""


def _remove(folder: Path, batch: dict[str, list[Entry]]) -> int:
    """Remove these journals once their lines are on disk; how many there were."""
    count = len(batch)
    if batch:
        add_ends(folder / ENDED, batch.items())
    for intent_id in batch:
        with suppress(FileNotFoundError):
            os.unlink(folder / ENDED / f"{intent_id}.jsonl")
    batch.clear()
    return count


def _read(path: str | Path) -> bytes:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return os.read(file, min(os.fstat(file).st_size, _MOST_BYTES))
    finally:
        os.close(file)


def _number(order_id: str) -> int:
    number = order_id.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0
