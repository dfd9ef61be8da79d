"""One intent's journal: an append-only file, locked while the intent is worked, on disk before an order is sent.

A line is a JSON object with one key: `intent` (first), `size`, `place`, `final`, `arrival`, `done`. The last line may
have been cut off by a crash; anything else that cannot be read is an error.
"""

from __future__ import annotations

import fcntl
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

from bus.errors import ConfigError, QuotebusError
from execution_adapter.child import Child
from execution_adapter.orders import Order, Status, decimal


class JournalDamaged(QuotebusError):
    """A journal cannot be relied on; the intent must not be worked before a person has looked at it."""


class Journal:
    """`folder/<intent_id>.jsonl`. Raises ConfigError when the file cannot be opened."""

    def __init__(self, folder: Path, intent_id: str) -> None:
        self.path = folder / f"{intent_id}.jsonl"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            folder_handle = os.open(folder, os.O_RDONLY)
            os.fsync(folder_handle)
            os.close(folder_handle)
        except OSError as error:
            raise ConfigError(f"EXECUTION_JOURNAL_DIR: cannot open {self.path}: {error.strerror}") from None

    def acquire(self) -> bool:
        """Lock it, without waiting; False when another process works this intent. The kernel unlocks at death."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        os.close(self._file)

    def append(self, *entries: dict[str, Any]) -> None:
        """Write entries, and return only when they are on disk. Raises OSError, and then nothing may be sent."""
        data = b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)

    def entries(self) -> list[dict[str, Any]]:
        """Everything written so far; a last line without its end is cut off. Raises JournalDamaged."""
        raw = self.path.read_bytes()
        whole, _, torn = raw.rpartition(b"\n")
        if torn:
            os.ftruncate(self._file, len(whole) + (1 if b"\n" in raw else 0))
        found: list[dict[str, Any]] = []
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                entry = json.loads(line)
            except ValueError:
                raise JournalDamaged(f"{self.path.name}, line {number}: not JSON") from None
            if not isinstance(entry, dict) or len(entry) != 1:
                raise JournalDamaged(f"{self.path.name}, line {number}: not an entry")
            found.append(entry)
        return found


def size(qty: Decimal) -> dict[str, Any]:
    """How much an exit is to sell in all, as it was when an order was placed."""
    return {"size": f"{qty:f}"}


def sized(entries: list[dict[str, Any]]) -> Decimal | None:
    """The newest size of an exit; None before its first order. Raises JournalDamaged."""
    sizes = [decimal(entry["size"]) for entry in entries if "size" in entry]
    if None in sizes:
        raise JournalDamaged("a size in it cannot be read")
    return sizes[-1] if sizes else None


def placed(order: Order) -> dict[str, Any]:
    price = None if order.limit_price is None else f"{order.limit_price:f}"
    return {
        "place": {"id": order.client_order_id, "symbol": order.symbol, "side": order.side,
                  "qty": f"{order.qty:f}", "limit_price": price}
    }  # fmt: skip


def ended(child: Child) -> dict[str, Any]:
    price = None if child.average_price is None else f"{child.average_price:f}"
    return {
        "final": {"id": child.order.client_order_id, "status": child.status,
                  "filled": f"{child.filled:f}", "average_price": price}
    }  # fmt: skip


def children(entries: list[dict[str, Any]]) -> list[Child]:
    """The orders of a journal, oldest first, as they were known. Raises JournalDamaged."""
    found: dict[str, Child] = {}
    try:
        for entry in entries:
            if "place" in entry:
                row = entry["place"]
                order = Order(row["id"], row["symbol"], row["side"], Decimal(row["qty"]), decimal(row["limit_price"]))
                found[order.client_order_id] = Child(order, resent=order.client_order_id in found)
            elif "final" in entry:
                row = entry["final"]
                child = found[row["id"]]
                child.status, child.proven, child.seen = Status(row["status"]), True, True
                child.filled, child.average_price = Decimal(row["filled"]), decimal(row["average_price"])
    except (KeyError, TypeError, ValueError, ArithmeticError):
        raise JournalDamaged("an order in it cannot be read") from None
    return list(found.values())
